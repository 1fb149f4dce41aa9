package doctor

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 wants it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Parts of RFC 6455.
const (
	wsMagic    = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	wsText     = 0x81 // the whole of a text message
	wsMask     = 0x80
	wsLength16 = 126
)

// Errors of the WebSocket.
var (
	errUpgrade = errors.New("the upgrade was refused")
	errWelcome = errors.New("the first message is no welcome")
)

// websocket opens the signalling connection of the web app and says hello: some
// proxies let the upgrade pass and then no message.
func (e *examination) websocket(ctx context.Context) {
	r := Result{Way: wayWebSocket, Target: e.through.String()}
	start := time.Now()
	if err := e.greet(ctx); err != nil {
		r.State, r.Text = Blocked, brief(err)
		r.Why = "a proxy before the server, or a filter in this network, does not pass WebSockets on"
		r.Ask = "ask whoever runs the server to let its proxy pass Upgrade, and whoever runs this network about filters for web traffic"
	} else {
		r.State, r.Millis = OK, since(start)
	}
	e.note(r)
}

func (e *examination) greet(ctx context.Context) error {
	c, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(e.patience)); err != nil {
		return err
	}
	key := base64.StdEncoding.EncodeToString([]byte(rand.Text())[:16])
	_, err = fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", e.url.Host, key)
	if err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(c, maxBody))
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != accepted(key) {
		return fmt.Errorf("%w with status %d", errUpgrade, res.StatusCode)
	}
	if _, err = c.Write(maskedText(`{"type":"hello","version":1}`)); err != nil {
		return err
	}
	text, err := readText(in)
	if err == nil && !strings.Contains(text, `"welcome"`) {
		err = errWelcome
	}
	return err
}

// open connects as browsers do for a WebSocket: by HTTP/1.1.
func (e *examination) open(ctx context.Context) (net.Conn, error) {
	if e.url.Scheme == "https" {
		return e.dialTLS(ctx, e.through.String(), e.url.Hostname(), "http/1.1")
	}
	return e.dial(ctx, "tcp", e.through.String())
}

// accepted is what a server says to a key (RFC 6455 section 4.2.2).
func accepted(key string) string {
	sum := sha1.Sum([]byte(key + wsMagic)) // no secret
	return base64.StdEncoding.EncodeToString(sum[:])
}

// maskedText makes a short text message as clients send it.
func maskedText(text string) []byte {
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // never fails: crypto/rand ends the program instead
	b := append([]byte{wsText, wsMask | byte(len(text))}, mask[:]...)
	for i, c := range []byte(text) {
		b = append(b, c^mask[i%4])
	}
	return b
}

// readText reads one text message of at most 64 KiB that is not masked.
func readText(r io.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	size := uint16(head[1])
	if head[0] != wsText || size > wsLength16 {
		return "", errWelcome
	}
	if size == wsLength16 {
		if err := binary.Read(r, binary.BigEndian, &size); err != nil {
			return "", err
		}
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return string(b), err
}
