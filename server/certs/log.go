package certs

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap/zapcore"
)

// bridge gives what the ACME library logs to our own log. It reports each of
// its steps, which only somebody who looks for a fault wants to read.
type bridge struct{ log *slog.Logger }

// asked is what the library reports as an error when somebody asks as an
// authority does, and nothing is to be proved: anybody may, as often as he likes.
const asked = "tls-alpn challenge"

func level(l zapcore.Level) slog.Level {
	if l >= zapcore.ErrorLevel {
		return slog.LevelWarn // the server goes on, and the library tries again
	}
	return slog.LevelDebug
}

// Enabled implements zapcore.Core.
func (b bridge) Enabled(l zapcore.Level) bool { return b.log.Enabled(context.Background(), level(l)) }

// With implements zapcore.Core.
func (b bridge) With(fields []zapcore.Field) zapcore.Core {
	return bridge{slog.New(b.log.Handler().WithAttrs(attributes(fields)))}
}

// Check implements zapcore.Core.
func (b bridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return c.AddCore(e, b)
	}
	return c
}

// Write implements zapcore.Core.
func (b bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	l := level(e.Level)
	if e.Message == asked {
		l = slog.LevelDebug
	}
	b.log.LogAttrs(context.Background(), l, "certificates: "+e.Message, attributes(fields)...)
	return nil
}

// Sync implements zapcore.Core.
func (b bridge) Sync() error { return nil }

func attributes(fields []zapcore.Field) []slog.Attr {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(m)
	}
	list := make([]slog.Attr, 0, len(m.Fields))
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		list = append(list, slog.Any(name, m.Fields[name]))
	}
	return list
}
