// Package tasktest is a strict double of the part of Cloud Tasks that sets timers. It refuses
// what the documentation of the API forbids, and its clock is the test's.
package tasktest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Task is a task that was created.
type Task struct {
	Name             string  `json:"name"`
	ScheduleTime     string  `json:"scheduleTime"`
	DispatchDeadline string  `json:"dispatchDeadline"`
	HTTPRequest      Request `json:"httpRequest"`
	at               time.Time
}

// Request is the HTTP request that a task sends.
type Request struct {
	HTTPMethod string `json:"httpMethod"`
	URL        string `json:"url"`
	OIDCToken  *struct {
		ServiceAccountEmail string `json:"serviceAccountEmail"`
		Audience            string `json:"audience"`
	} `json:"oidcToken"`
}

// Server is the double. It has the one queue.
type Server struct {
	*httptest.Server
	queue string
	now   func() time.Time

	mu      sync.Mutex
	away    bool
	waiting []Task
	names   map[string]bool // also of tasks that have fired: their names stay taken
	calls   int
}

const (
	most   = 30 * 24 * time.Hour // how far ahead a task may be scheduled
	maxURL = 2083
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,500}$`)

// New starts a double with a queue.
func New(t testing.TB, queue string, now func() time.Time) *Server {
	s := &Server{queue: queue, now: now, names: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	status, reason := s.create(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status != http.StatusOK {
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": reason}})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": reason})
}

func (s *Server) create(r *http.Request) (status int, reason string) {
	if s.away {
		return http.StatusServiceUnavailable, "The service is currently unavailable."
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v2/"+s.queue+"/tasks" {
		return http.StatusNotFound, "Queue does not exist."
	}
	body, err := io.ReadAll(r.Body)
	var in struct {
		Task Task `json:"task"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err != nil || d.Decode(&in) != nil {
		return http.StatusBadRequest, "Invalid JSON payload received."
	}
	t := in.Task
	id, ours := strings.CutPrefix(t.Name, s.queue+"/tasks/")
	target, err := url.Parse(t.HTTPRequest.URL)
	t.at, _ = time.Parse(time.RFC3339Nano, t.ScheduleTime)
	deadline, _ := time.ParseDuration(t.DispatchDeadline)
	switch {
	case !ours || !nameForm.MatchString(id):
		return http.StatusBadRequest, "Task name is malformed."
	case err != nil || target.Scheme != "https" && target.Scheme != "http" || len(t.HTTPRequest.URL) > maxURL:
		return http.StatusBadRequest, "HttpRequest.url is invalid."
	case t.HTTPRequest.HTTPMethod != http.MethodPost:
		return http.StatusBadRequest, "HttpRequest.httpMethod is not what a check takes."
	case t.at.IsZero() || t.at.After(s.now().Add(most)):
		return http.StatusBadRequest, "Task.scheduleTime is too far in the future."
	case deadline < 15*time.Second || deadline > 30*time.Minute:
		return http.StatusBadRequest, "Task.dispatchDeadline is out of range."
	case s.names[id]:
		return http.StatusConflict, "The task cannot be created because a task with this name existed too recently."
	}
	s.names[id] = true
	s.waiting = append(s.waiting, t)
	return http.StatusOK, t.Name
}

// Away makes the double refuse every call, or take them again.
func (s *Server) Away(away bool) { s.mu.Lock(); defer s.mu.Unlock(); s.away = away }

// Calls returns the number of calls so far.
func (s *Server) Calls() int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls }

// Waiting returns the tasks that have not fired, the next one first.
func (s *Server) Waiting() []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(slices.Values(s.waiting), func(a, b Task) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Name, b.Name)) })
}

// Due takes the tasks that are due.
func (s *Server) Due() (due []Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(t Task) bool {
		if t.at.After(s.now()) {
			return false
		}
		due = append(due, t)
		return true
	})
	return due
}

// At returns the instant for which the task is scheduled.
func (t Task) At() time.Time { return t.at }
