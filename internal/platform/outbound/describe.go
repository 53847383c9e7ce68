package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"code.dny.dev/ssrf"

	"github.com/headgate/headgate/internal/platform/fault"
)

// describe returns the error of a call with a message for people.
func (c *Client) describe(host string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch {
	case refused(err) && c.o.AllowSetting != "":
		return fault.Wrap(fault.Invalid, err, "%s is an internal address, which is not allowed here, unless %s in the configuration lists it", host, c.o.AllowSetting)
	case refused(err):
		return fault.Wrap(fault.Invalid, err, "%s is an internal address, which is not allowed here", host)
	case misconfigured(err):
		return fault.Wrap(fault.Invalid, err, "the https connection to %s cannot be trusted: %s", host, tlsReason(err))
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return fault.Wrap(fault.Unavailable, err, "there is no host %s", host)
		}
		return fault.Wrap(fault.Unavailable, err, "the name %s cannot be resolved now", host)
	}
	if timeout(err) {
		return fault.Wrap(fault.Unavailable, err, "%s did not answer in time", host)
	}
	return fault.Wrap(fault.Unavailable, err, "%s does not answer", host)
}

// refused reports whether the address is not allowed.
func refused(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) ||
		errors.Is(err, ssrf.ErrProhibitedPort) || errors.Is(err, ssrf.ErrInvalidHostPort)
}

// misconfigured reports whether TLS failed in a way that a retry cannot help.
func misconfigured(err error) bool {
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return cert || record || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func tlsReason(err error) string {
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return cert.Err.Error()
	}
	return "it answers without encryption"
}

func timeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// transient reports whether a retry may succeed.
func transient(err error) bool {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	return !refused(err) && !misconfigured(err) && !(isDNS && dns.IsNotFound) &&
		!errors.Is(err, context.Canceled) && fault.CodeOf(err) == fault.Internal
}

// neverSent reports whether the error occurred before any byte of the request was sent.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	return isDNS || ok && op.Op == "dial"
}
