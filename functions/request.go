package functions

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/auth"
	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
	"github.com/headgate/headgate/internal/store"
)

const (
	defaultPage = 50   // items of a page, where the request does not say
	maxPage     = 1000 // items of a page
	maxBody     = 1 << 20
	maxDocument = 1 << 20 // bytes of the largest document of a store: a record, a draft, a run
)

// query parses a query that may hold the parameters named and no others.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the query is malformed")
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.Invalid, "unknown query parameter %q: the parameters are %q", name, known)
		}
		if len(values) > 1 {
			return nil, fault.New(fault.Invalid, "query parameter %q is given %d times", name, len(values))
		}
	}
	return q, nil
}

// keyOf returns the parameter key: a correlation key. nil: it is not given. Bytes that are
// not UTF-8 are read as those of an event's query are.
func keyOf(r *http.Request) *string {
	q := r.URL.Query()
	if !q.Has("key") {
		return nil
	}
	key := event.Text(q.Get("key"))
	return &key
}

// oneKey is keyOf for routes that take any other parameter, as EventSync's do.
func oneKey(r *http.Request) (*string, error) {
	if n := len(r.URL.Query()["key"]); n > 1 {
		return nil, fault.New(fault.Invalid, "query parameter %q is given %d times", "key", n)
	}
	return keyOf(r), nil
}

func limitOf(s string, byDefault int) (int, error) {
	if s == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPage {
		return 0, fault.New(fault.Invalid, "limit must be an integer from 1 to %d", maxPage)
	}
	return n, nil
}

func natural(s, name string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0, fault.New(fault.Invalid, "%s must be an integer from 0 to 1000000", name)
	}
	return n, nil
}

func boolean(s, name string) (bool, error) {
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, fault.New(fault.Invalid, "%s must be true or false", name)
	}
	return b, nil
}

// readBody reads a body of at most limit bytes that will be decoded, and takes the memory
// that decoding needs. name says whose limit it is.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, name string) ([]byte, error) {
	body, err := web.ReadBody(w, r, limit, name)
	if err != nil {
		return nil, err
	}
	if err := web.Decoding(r.Context(), w, body); err != nil {
		return nil, err
	}
	return body, nil
}

// readJSON reads a small JSON body into a struct. Unknown fields are refused, and the
// answer lists every fault.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r, maxBody, "the limit of a body")
	if err != nil {
		return err
	}
	f := decode.Faults{AnyCase: true}
	f.Decode("", body, into)
	details := f.Details()
	if len(details) == 0 {
		return nil
	}
	lines := make([]string, len(details))
	for i, d := range details {
		lines[i] = d.String()
	}
	invalid := fault.New(fault.Invalid, "the body is not valid: %s", strings.Join(lines, "; "))
	invalid.Details = details
	return invalid
}

// readObject reads a small JSON object with whatever fields it has.
func readObject(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	body, err := readBody(w, r, maxBody, "the limit of a body")
	if err != nil {
		return nil, err
	}
	v, err := decode.One(body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the body is not valid: %s", err)
	}
	data, ok := v.(map[string]any)
	if !ok {
		return nil, fault.New(fault.Invalid, "the body must be a JSON object")
	}
	return data, nil
}

// perRecord is the memory that each record of a page is estimated at before the page is
// read. Then the page's memory is counted exactly.
const perRecord = 64 << 10

// reading takes memory for a page of records.
func reading(w http.ResponseWriter, r *http.Request, limit int) error {
	return web.Reading(r.Context(), w, min(int64(limit)*perRecord, store.PageBytes))
}

// who returns the name that the client claims, and the authenticated caller if it
// differs. Only the latter is proof.
func who(r *http.Request, claimed string) string {
	claimed = strings.ToValidUTF8(claimed[:min(len(claimed), 100)], "")
	name := auth.Caller(r.Context())
	switch {
	case name == "" || claimed == name:
		return claimed
	case claimed == "":
		return name
	}
	return claimed + " (" + name + ")"
}

// A noEndpoint is the error of an eventKey that the service does not have.
type noEndpoint struct {
	error
	key string
}

// Unwrap returns the error for the caller.
func (e *noEndpoint) Unwrap() error { return e.error }

func unknownKey(g *gate.Gate, key string) error {
	return &noEndpoint{fault.New(fault.NotFound, "no endpoint %q: the endpoints are %q", key, g.Keys()), key}
}

// namingOthers adds to the error of an unknown eventKey, in a request that names no service,
// the path at the other services that have an endpoint of that name.
func (b *builder) namingOthers(err error) error {
	e, ok := errors.AsType[*noEndpoint](err)
	if !ok {
		return err
	}
	var paths []string
	for _, g := range b.app.Gates() {
		if _, has := g.Endpoint(e.key); has {
			paths = append(paths, "/services/"+gate.PathSegment(g.Service().ServiceName)+"/event/"+gate.PathSegment(e.key))
		}
	}
	if len(paths) == 0 {
		return err
	}
	return fault.New(fault.NotFound, "%s. Another service has it: %s", e.error, strings.Join(paths, ", "))
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
