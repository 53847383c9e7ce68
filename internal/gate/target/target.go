// Package target sends messages to HTTP endpoints: as a CloudEvent, or in the form that an
// API expects, with a token of Google's or the signature of Standard Webhooks.
//
// A sender makes one attempt and keeps nothing. Its caller decides when to try again, and
// consumers recognise a message that they got before by its id. An error never shows a
// secret, a token, or more of a URL than its host.
package target

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Message is a sync message in the form in which targets get it.
type Message struct {
	// ID is the id that consumers deduplicate on. A signed message's must not have a full stop.
	ID   string
	Data []byte // JSON
	// Attributes are those of the message on the bus. The ones that begin with "ce-" are
	// those of the CloudEvent.
	Attributes map[string]string
}

// Sender makes one attempt to deliver a message. nil means that the target has it. An
// error may be a *Failure, which says more; the target may then have the message or not.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Tokens returns Google's tokens for this process's account.
type Tokens interface {
	// OIDC returns an ID token for an audience.
	OIDC(ctx context.Context, audience string) (string, error)
	// OAuth returns an access token with the scopes.
	OAuth(ctx context.Context, scopes []string) (string, error)
}

// Failure is a failed attempt.
type Failure struct {
	Message    string        // for people
	Final      bool          // another attempt cannot succeed
	Unanswered bool          // it did not answer, so another message would not reach it now either
	RetryAfter time.Duration // the target asks for this pause; 0: it does not say
	Cause      error         // for the log; may be nil
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Final reports whether another attempt cannot succeed.
func Final(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Final
}

// RetryAfter returns the pause that the target asked for, or 0.
func RetryAfter(err error) time.Duration {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.RetryAfter
	}
	return 0
}

// HTTP sends messages to a URL with POST.
type HTTP struct {
	URL string
	// Client calls the URL. It follows no redirect, repeats nothing, and reaches no internal
	// address that is not allowed. nil refuses every call.
	Client *http.Client
	// Body is the template of the body (see package template); nil: the message itself, as a
	// CloudEvent in binary mode.
	Body any
	// Secret signs messages by the rules of Standard Webhooks, Audience asks for an ID token
	// and Scopes for an access token. At most one of them is set.
	Secret   string
	Audience string
	Scopes   []string
	// FormerSecret signs as well while Secret is rotated; "": none.
	FormerSecret string

	Tokens Tokens           // needed for Audience and Scopes
	Now    func() time.Time // dates signatures
}
