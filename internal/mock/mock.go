// Package mock has servers that stand in for systems outside: DataCollect's mock sync
// server, OpenFn, LegacyMyWell and Fluid's external data service. They speak the wire
// formats of the real ones, hold their data in memory, and inject faults on demand.
//
// In addition to the API of the real server, each has:
//
//	GET, PUT /faults               the faults to inject: see Faults
//	GET /data, GET /data/{type}    all rows
//	POST /data/{type}              adds a row
//	PUT /data/{type}/{id}          replaces a row, or adds it
//	POST /data/{type}/{id}         changes some fields of a row
//	DELETE /data/{type}/{id}       removes a row
//	POST /reset                    drops the data and the faults
//
// These stand for changes that others make at the source; faults do not apply to them. A
// type is "event", or for LegacyMyWell "village", "resource" or "reading".
package mock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody bounds the size of a request's body in bytes.
const maxBody = 64 << 20

// Options configure a server. The zero value suits a server that people use.
type Options struct {
	Now  func() time.Time // nil: time.Now
	Rand *rand.Rand       // decides faults that have a probability; nil: the same numbers in each process
	// APIKey is the required X-Api-Key. If it is "", OpenFn accepts any key, and the
	// sync server requires none.
	APIKey string
	// Username and Password are required, if they are set.
	Username, Password string
	// AccessToken is the required access_token of LegacyMyWell; "": none is required.
	AccessToken string
	// Columns are members that LegacyMyWell's models have besides the real ones, by type.
	Columns map[string][]string
	// KeepTimes makes LegacyMyWell stamp updatedAt only on rows that have none.
	KeepTimes bool
	Faults    Faults
}

// Row is an object as the server stores it. Numbers are json.Number.
type Row = map[string]any

// Server is a mock server. Its methods may be called concurrently.
type Server struct {
	o     Options
	kind  kind
	admin *http.ServeMux

	mu       sync.Mutex // guards the fields below, and o.Rand
	faults   Faults
	tables   map[string]*table
	previous map[string][]byte // the last list of each path, for RepeatPage
	lastID   map[string]int64  // the last id that was given, by its village; "" for readings
	lastTime time.Time
}

// kind has the parts in which the servers differ.
type kind struct {
	types []string
	// identify returns the key of a row in its table.
	identify func(typ string, row Row) (string, error)
	// columns returns the members that a row keeps; it may be nil: all of them.
	columns func(typ string) []string
	// place puts the id of a path into the row.
	place func(typ, id string, row Row)
	// stamp sets the times of a row that is written at now. old is nil for a new row;
	// byHand is true for a write through /data.
	stamp func(row, old Row, now time.Time, byHand bool)
	// serve answers a request of the real server's API.
	serve func(s *Server, r *http.Request, body []byte) answer
}

// answer is the answer to a request.
type answer struct {
	status int
	body   any
	list   []Row // the rows in body, if it is a list
}

func newServer(o Options, k kind) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	s := &Server{o: o, kind: k, admin: http.NewServeMux()}
	s.Reset()
	s.faults = o.Faults.clone()
	s.admin.HandleFunc("GET /faults", s.getFaults)
	s.admin.HandleFunc("PUT /faults", s.putFaults)
	s.admin.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	s.admin.HandleFunc("GET /data", s.getData)
	s.admin.HandleFunc("GET /data/{type}", s.getData)
	for _, p := range []string{"POST /data/{type}", "PUT /data/{type}/{id}", "POST /data/{type}/{id}"} {
		s.admin.HandleFunc(p, s.writeData)
	}
	s.admin.HandleFunc("DELETE /data/{type}/{id}", s.deleteData)
	return s
}

// Reset drops the data and the faults.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.previous, s.lastID, s.lastTime = Faults{}, map[string][]byte{}, map[string]int64{}, time.Time{}
	s.tables = map[string]*table{}
	for _, t := range s.kind.types {
		s.tables[t] = newTable()
	}
}

// Rows returns the rows of a type in the order in which they were added, including those
// that are not visible yet.
func (s *Server) Rows(typ string) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[typ]; t != nil {
		return t.all()
	}
	return nil
}

// Put replaces or adds a row, as PUT /data/{type}/{id} does. The id is in the row.
func (s *Server) Put(typ string, row Row) error {
	clean, err := normalise(row)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.write(typ, clean, false, true)
	return err
}

// Delete removes a row and reports whether there was one. For LegacyMyWell's villages and
// resources the id may be "postcode.id".
func (s *Server) Delete(typ, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[typ]
	return t != nil && t.remove(id)
}

// SetFaults sets the faults to inject.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f.clone()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.o.Now().UTC().Format(http.TimeFormat)) // from the clock that stamps rows
	if p := r.URL.Path; p == "/faults" || p == "/reset" || p == "/data" || strings.HasPrefix(p, "/data/") {
		s.admin.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		respond(w, http.StatusRequestEntityTooLarge, problem("the body is too large"))
		return
	}
	hit := s.draw(r.Method)
	if !pass(r.Context(), hit.delay) {
		return
	}
	switch {
	case hit.rate429:
		if hit.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(hit.retryAfter))
		}
		respond(w, http.StatusTooManyRequests, problem("too many requests"))
		return
	case hit.rate500:
		respond(w, http.StatusInternalServerError, problem("an injected error"))
		return
	}
	s.answer(w, r, body, hit)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, body []byte, hit hits) {
	s.mu.Lock()
	a := s.kind.serve(s, r, body)
	if hit.wrongTypes {
		a = s.spoil(a)
	}
	s.mu.Unlock()
	out, err := json.Marshal(a.body)
	if err != nil {
		respond(w, http.StatusInternalServerError, problem(err.Error()))
		return
	}
	if a.list != nil && r.Method == http.MethodGet {
		s.mu.Lock()
		if before := s.previous[r.URL.Path]; hit.repeatPage && before != nil {
			out = before
		}
		s.previous[r.URL.Path] = out
		s.mu.Unlock()
	}
	if hit.lostAnswer {
		panic(http.ErrAbortHandler) // the request is processed, but the client gets no answer
	}
	if hit.truncate {
		out = out[:len(out)/2]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(out)
}

// pass waits for d, and reports false if ctx ended before.
func pass(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// write stores a row. With merge, fields that the row does not name keep their values.
// s.mu must be held.
func (s *Server) write(typ string, row Row, merge, byHand bool) (Row, error) {
	t := s.tables[typ]
	if t == nil {
		return nil, fmt.Errorf("there is no %q here: the types are %s", typ, strings.Join(s.kind.types, ", "))
	}
	key, err := s.kind.identify(typ, row)
	if err != nil {
		return nil, err
	}
	old := t.get(key)
	if merge && old != nil {
		_, dated := row["updatedAt"]
		if row = merged(old, row); !dated && !s.o.KeepTimes {
			delete(row, "updatedAt") // it gets a new stamp
		}
	}
	if s.kind.columns != nil {
		kept := s.kind.columns(typ)
		row = maps.Clone(row)
		maps.DeleteFunc(row, func(name string, _ any) bool { return !slices.Contains(kept, name) })
	}
	now := s.o.Now().UTC()
	stamp := now
	if _, on := s.faults.take(EqualTimestamps, s.o.Rand); on && !s.lastTime.IsZero() {
		stamp = s.lastTime
	}
	s.lastTime = stamp
	s.kind.stamp(row, old, stamp, byHand)
	visible := now
	if late, on := s.faults.take(LateCommit, s.o.Rand); on {
		visible = now.Add(time.Duration(late.Ms) * time.Millisecond)
	}
	t.put(key, row, now, visible)
	return row, nil
}

func (s *Server) getData(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if typ := r.PathValue("type"); typ != "" {
		t := s.tables[typ]
		if t == nil {
			respond(w, http.StatusNotFound, problem("there is no such type"))
			return
		}
		respond(w, http.StatusOK, t.all())
		return
	}
	all := map[string][]Row{}
	for typ, t := range s.tables {
		all[typ] = t.all()
	}
	respond(w, http.StatusOK, all)
}

func (s *Server) writeData(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		respond(w, http.StatusRequestEntityTooLarge, problem("the body is too large"))
		return
	}
	row, err := decodeRow(body)
	if err != nil {
		respond(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	typ, id := r.PathValue("type"), r.PathValue("id")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kind.place(typ, id, row)
	stored, err := s.write(typ, row, r.Method == http.MethodPost && id != "", true)
	if err != nil {
		respond(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	respond(w, http.StatusOK, stored)
}

func (s *Server) deleteData(w http.ResponseWriter, r *http.Request) {
	if !s.Delete(r.PathValue("type"), r.PathValue("id")) {
		respond(w, http.StatusNotFound, problem("there is no such row"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) getFaults(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	respond(w, http.StatusOK, s.faults)
}

func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) {
	var f Faults
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	if err := d.Decode(&f); err != nil {
		respond(w, http.StatusBadRequest, problem(err.Error()))
		return
	}
	s.SetFaults(f)
	respond(w, http.StatusOK, f.clone())
}

// problem returns an error in LoopBack's form, which all servers use.
func problem(text string) any {
	return map[string]any{"error": map[string]any{"message": text}}
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

var errNotObject = errors.New("the body is not a JSON object")
