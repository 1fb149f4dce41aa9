package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
)

// Why a camera does not play; what happened is wrapped around.
var (
	ErrPassword    = errors.New("wrong password")
	ErrNoVideo     = errors.New("no video")
	ErrUnreachable = errors.New("unreachable")
	ErrFrozen      = errors.New("no media comes")
)

// cameraError is a sentence for whoever owns the camera.
type cameraError struct {
	kind  error // one of the above
	text  string
	cause error
}

// Error returns the sentence.
func (e *cameraError) Error() string { return e.text }

// Unwrap returns the kind and the cause.
func (e *cameraError) Unwrap() []error { return []error{e.kind, e.cause} }

// noVideo says that a camera has nothing that can be carried.
func noVideo(codecs []string) error {
	if len(codecs) == 0 {
		return &cameraError{ErrNoVideo, "The camera answers, but has neither picture nor sound at this path.", nil}
	}
	return &cameraError{ErrNoVideo, fmt.Sprintf(
		"The camera sends %s, which cannot be carried. Choose H264 for the picture and AAC or G711 for the sound in its settings.",
		strings.Join(codecs, " and ")), nil}
}

// explain says what an error of the library means.
func (c *camera) explain(err error) error {
	if c.refused != nil {
		return &cameraError{ErrUnreachable, fmt.Sprintf("The %s at %s answers, but %s.", c.noun, c.address(), c.refused), err}
	}
	var status liberrors.ErrClientBadStatusCode
	if errors.As(err, &status) {
		return c.explainStatus(status)
	}
	var resolve *net.DNSError
	var network *net.OpError
	var timeout net.Error
	at := c.address()
	switch {
	case errors.As(err, new(liberrors.ErrClientAuthSetup)):
		return &cameraError{ErrPassword, fmt.Sprintf("The %s at %s wants a password in a way that this server does not know. Allow Digest or Basic in its settings.", c.noun, at), err}
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return &cameraError{ErrUnreachable, fmt.Sprintf("Nobody vouches for the certificate of %s. Give the %s one, or use its IP address in this network.", at, c.noun), err}
	case errors.As(err, &resolve):
		return &cameraError{ErrUnreachable, fmt.Sprintf("There is no host named %s. Check the address of the %s.", c.url.Hostname(), c.noun), err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &cameraError{ErrUnreachable, fmt.Sprintf("Nothing answers at %s: the host is there, and no RTSP on this port. Check the port, often 554, and that RTSP is on in the settings of the %s.", at, c.noun), err}
	case errors.As(err, new(liberrors.ErrClientRequestTimedOut)), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &cameraError{ErrUnreachable, fmt.Sprintf("Nothing answers at %s. Check that the %s is on, that its network can be reached, and that the address is right.", at, c.noun), err}
	case errors.As(err, new(liberrors.ErrClientUDPTimeout)), errors.As(err, new(liberrors.ErrClientTCPTimeout)):
		return c.frozen(err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF):
		return &cameraError{ErrUnreachable, fmt.Sprintf("The %s at %s ended the connection. It may be restarting, or serve too many already.", c.noun, at), err}
	case errors.As(err, &network):
		return &cameraError{ErrUnreachable, fmt.Sprintf("%s cannot be reached: %s.", at, plain(network.Err.Error())), err}
	}
	return &cameraError{ErrUnreachable, fmt.Sprintf("What answers at %s is no %s that this server understands: %s.", at, c.noun, plain(err.Error())), err}
}

// explainStatus says what a refusal of the camera means.
func (c *camera) explainStatus(status liberrors.ErrClientBadStatusCode) error {
	at := c.address()
	switch status.Code {
	case base.StatusUnauthorized, base.StatusForbidden:
		if c.url.User == nil {
			return &cameraError{ErrPassword, fmt.Sprintf("The %s at %s wants a user and a password, and the address has none.", c.noun, at), status}
		}
		return &cameraError{ErrPassword, fmt.Sprintf("The %s at %s refuses the user or the password. Check both; many cameras have users for RTSP of their own.", c.noun, at), status}
	case base.StatusNotFound, base.StatusGone, base.StatusBadRequest:
		return &cameraError{ErrNoVideo, fmt.Sprintf("The %s at %s answers, but has no stream at this path (%d). Look up the path for its make.", c.noun, at, status.Code), status}
	case base.StatusNotEnoughBandwidth, base.StatusServiceUnavailable:
		return &cameraError{ErrUnreachable, fmt.Sprintf("The %s at %s is busy (%d): it may serve too many already.", c.noun, at, status.Code), status}
	case base.StatusUnsupportedTransport:
		return &cameraError{ErrUnreachable, fmt.Sprintf("The %s at %s does not send this way (461). Choose the other transport, TCP or UDP.", c.noun, at), status}
	}
	return &cameraError{ErrUnreachable, fmt.Sprintf("The %s at %s answers with the error %d %s.", c.noun, at, status.Code, plain(status.Message)), status}
}

// frozen says that no media comes.
func (c *camera) frozen(cause error) error {
	text := fmt.Sprintf("The %s at %s is connected and has sent nothing for %d s.", c.noun, c.address(), int(frozenTime.Seconds()))
	if c.source.Transport == "udp" {
		text += " If it never did, UDP may not get through: choose TCP."
	}
	return &cameraError{ErrFrozen, text, cause}
}

// address is where the camera is, without what is secret.
func (c *camera) address() string {
	port := c.url.Port()
	switch {
	case port != "":
	case c.url.Scheme == "rtsps":
		port = "322"
	default:
		port = "554"
	}
	return net.JoinHostPort(c.url.Hostname(), port)
}
