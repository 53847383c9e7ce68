package mock

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/etag"
)

// ExternalData is the mock data service of Fluid's external-data example. It is the
// source of truth for task lists, and calls webhooks when they change.
//
//	GET  /fetch-tasks[/{list}]   {"taskList": TaskData}
//	POST /set-tasks[/{list}]     {"taskList": TaskData}: replaces the list, then calls the webhooks
//	POST /register-for-webhook   {"url", "externalTaskListId"?}, or ?externalTaskListId=
//	POST /unregister-webhook     the same
//	POST /debug-reset-task-list  restores the samples
//	GET  /                       answers 200
//	GET, PUT /faults             the faults to inject: see Faults
//
// Unlike the original, a GET answers with the list's version as ETag, and a set with
// If-Match is conditional.
type ExternalData struct {
	o    Options
	http *http.Client

	mu       sync.Mutex
	faults   Faults
	lists    map[string]tasks
	versions map[string]int64
	hooks    map[string]map[string]bool // registered URLs, by list
	calls    sync.WaitGroup
}

// tasks are the tasks of a list, by id.
type tasks map[string]json.RawMessage

const defaultTaskList = "task-list-1"

var samples = map[string]string{
	"task-list-1": `{"12":{"name":"Alpha","priority":1},"34":{"name":"Beta","priority":2},"56":{"name":"Gamma","priority":3},"78":{"name":"Delta","priority":4}}`,
	"task-list-2": `{"17":{"name":"CompletelyDifferentAlpha","priority":42}}`,
}

// NewExternalData returns the service with the sample lists.
func NewExternalData(o Options) *ExternalData {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2))
	}
	e := &ExternalData{
		o: o, http: &http.Client{Timeout: 10 * time.Second}, faults: o.Faults.clone(),
		versions: map[string]int64{}, hooks: map[string]map[string]bool{},
	}
	e.reset()
	return e
}

func (e *ExternalData) reset() {
	e.lists = map[string]tasks{}
	for id, text := range samples {
		var t tasks
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			panic(err) // the samples are part of the program
		}
		e.lists[id] = t
		e.versions[id]++
	}
}

// Wait waits until all calls of webhooks have ended.
func (e *ExternalData) Wait() { e.calls.Wait() }

// SetFaults sets the faults to inject: rate429, rate500 and delayMs.
func (e *ExternalData) SetFaults(f Faults) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = f.clone()
}

// Hooks returns the URLs that are registered for a list.
func (e *ExternalData) Hooks(list string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.hooks[list]))
}

// ServeHTTP implements http.Handler.
func (e *ExternalData) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowEveryOrigin(w, r)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e.refuse(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	if r.URL.Path == "/faults" {
		e.serveFaults(w, r, body)
		return
	}
	e.mu.Lock()
	delay, slow := e.faults.take(Delay, e.o.Rand)
	asked, limited := e.faults.take(Rate429, e.o.Rand)
	_, broken := e.faults.take(Rate500, e.o.Rand)
	e.mu.Unlock()
	if slow && !pass(r.Context(), time.Duration(delay.Ms)*time.Millisecond) {
		return
	}
	switch {
	case limited:
		if asked.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(asked.RetryAfter))
		}
		e.refuse(w, http.StatusTooManyRequests, "too many requests")
		return
	case broken:
		e.refuse(w, http.StatusInternalServerError, "an injected error")
		return
	}
	name, list, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if list == "" {
		list = defaultTaskList
	}
	switch r.Method + " " + name {
	case "GET fetch-tasks":
		e.fetch(w, list)
	case "POST set-tasks":
		e.set(w, r, list, body)
	case "POST register-for-webhook":
		e.register(w, r, body)
	case "POST unregister-webhook":
		e.unregister(w, r, body)
	case "GET ":
		respond(w, http.StatusOK, map[string]string{"message": "the external data service is up"})
	case "POST debug-reset-task-list":
		e.mu.Lock()
		e.reset()
		for id := range e.lists {
			e.call(id)
		}
		e.mu.Unlock()
		respond(w, http.StatusOK, map[string]string{"message": "the samples are restored"})
	default:
		e.refuse(w, http.StatusNotFound, "there is no "+r.Method+" "+r.URL.Path)
	}
}

func (e *ExternalData) refuse(w http.ResponseWriter, status int, message string) {
	respond(w, status, map[string]string{"message": message})
}

// allowEveryOrigin lets web pages of any origin call the service, as the original does: its
// client is a page of another origin.
func allowEveryOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT")
		h.Set("Access-Control-Allow-Headers", "*")
	}
}

func (e *ExternalData) serveFaults(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method == http.MethodPut {
		var f Faults
		if err := json.Unmarshal(body, &f); err != nil {
			e.refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		e.SetFaults(f)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	respond(w, http.StatusOK, e.faults)
}

func (e *ExternalData) tag(list string) string {
	return etag.Of(e.versions[list])
}

func (e *ExternalData) fetch(w http.ResponseWriter, list string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, ok := e.lists[list]
	if !ok {
		e.refuse(w, http.StatusBadRequest, fmt.Sprintf("there is no task list %q", list))
		return
	}
	w.Header().Set("ETag", e.tag(list))
	respond(w, http.StatusOK, map[string]any{"taskList": t})
}

func (e *ExternalData) set(w http.ResponseWriter, r *http.Request, list string, body []byte) {
	var form struct {
		TaskList map[string]json.RawMessage `json:"taskList"`
	}
	if err := json.Unmarshal(body, &form); err != nil || form.TaskList == nil {
		e.refuse(w, http.StatusBadRequest, `the body must be {"taskList": {…}}`)
		return
	}
	for id, raw := range form.TaskList {
		var task struct {
			Name     *string  `json:"name"`
			Priority *float64 `json:"priority"`
		}
		if err := json.Unmarshal(raw, &task); err != nil || task.Name == nil || task.Priority == nil {
			e.refuse(w, http.StatusBadRequest, fmt.Sprintf("task %q is malformed: it needs a name (text) and a priority (a number)", id))
			return
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	current := "" // if the list does not exist
	if _, ok := e.lists[list]; ok {
		current = e.tag(list)
		w.Header().Set("ETag", current)
	}
	if !etag.Matches(etag.IfMatch(r.Header), current) {
		e.refuse(w, http.StatusPreconditionFailed, "the list has changed meanwhile")
		return
	}
	e.lists[list] = form.TaskList
	e.versions[list]++
	e.call(list)
	w.Header().Set("ETag", e.tag(list))
	respond(w, http.StatusOK, map[string]any{"taskList": form.TaskList})
}

// call calls the webhooks of a list, once each, as the original does. e.mu must be held.
func (e *ExternalData) call(list string) {
	body, err := json.Marshal(map[string]any{"data": e.lists[list]})
	if err != nil {
		return
	}
	for target := range e.hooks[list] {
		e.calls.Go(func() {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, target, bytes.NewReader(body))
			if err != nil {
				return
			}
			req.Header.Set("Content-Type", "application/json")
			if resp, err := e.http.Do(req); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
}

// registration decodes and checks {"url", "externalTaskListId"?}. The query may name the
// list instead, as in later versions of the original.
func (e *ExternalData) registration(w http.ResponseWriter, r *http.Request, body []byte) (target, list string, ok bool) {
	var form map[string]any
	_ = json.Unmarshal(body, &form) // after an error, form has no url
	target, isText := form["url"].(string)
	u, err := url.Parse(target)
	if !isText || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		e.refuse(w, http.StatusBadRequest, "url must be an http or https URL")
		return "", "", false
	}
	list = cmp.Or(r.URL.Query().Get("externalTaskListId"), defaultTaskList)
	if v, there := form["externalTaskListId"]; there {
		if list, isText = v.(string); !isText || list == "" {
			e.refuse(w, http.StatusBadRequest, "externalTaskListId must be text")
			return "", "", false
		}
	}
	return target, list, true
}

func (e *ExternalData) register(w http.ResponseWriter, r *http.Request, body []byte) {
	target, list, ok := e.registration(w, r, body)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hooks[list] == nil {
		e.hooks[list] = map[string]bool{}
	}
	e.hooks[list][target] = true
	respond(w, http.StatusOK, map[string]string{"message": "registered"})
}

func (e *ExternalData) unregister(w http.ResponseWriter, r *http.Request, body []byte) {
	target, list, ok := e.registration(w, r, body)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	hooks, listed := e.hooks[list]
	switch {
	case !listed:
		e.refuse(w, http.StatusBadRequest, fmt.Sprintf("no webhook was ever registered for the list %q", list))
		return
	case !hooks[target]:
		respond(w, http.StatusOK, map[string]string{"message": "this URL was not registered"})
		return
	}
	delete(hooks, target)
	respond(w, http.StatusOK, map[string]string{"message": "unregistered"})
}
