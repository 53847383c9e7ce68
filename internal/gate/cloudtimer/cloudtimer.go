// Package cloudtimer sets timers as tasks of Cloud Tasks.
//
// A task's name is the timer's. Cloud Tasks refuses a name that a task has, or had a while
// ago, so all instances may set the same timer and one task exists. A task that is lost or
// late costs punctuality only (see gate.Timer).
package cloudtimer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	cloudtasks "google.golang.org/api/cloudtasks/v2"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/headgate/headgate/internal/gate"
)

// maxURL is Cloud Tasks' limit on the length of a task's URL.
const maxURL = 2083

// dispatch is the time that a call has for its answer; then Cloud Tasks calls again.
const dispatch = "120s"

// Options describe the tasks.
type Options struct {
	Queue string // projects/P/locations/L/queues/Q
	// URL is the address of the service that serves checks, without a slash at the end.
	URL string
	// ServiceAccount is the account whose token a call carries; "": none.
	ServiceAccount string
}

// Timer is a gate.Timer on a queue.
type Timer struct {
	o     Options
	tasks *cloudtasks.ProjectsLocationsQueuesTasksService
}

// Open returns a timer on the queue. It calls nothing: a queue that does not exist shows with
// the first timer.
func Open(ctx context.Context, o Options, opts ...option.ClientOption) (*Timer, error) {
	s, err := cloudtasks.NewService(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("open Cloud Tasks: %w", err)
	}
	return &Timer{o, s.Projects.Locations.Queues.Tasks}, nil
}

// Set implements gate.Timer.
func (t *Timer) Set(ctx context.Context, c gate.TimedCall) error {
	url := t.o.URL + c.Path
	if len(url) > maxURL {
		url = t.o.URL + c.All
	}
	task := &cloudtasks.Task{
		Name:             t.o.Queue + "/tasks/" + c.Name,
		ScheduleTime:     c.At.UTC().Format(time.RFC3339Nano),
		DispatchDeadline: dispatch,
		HttpRequest:      &cloudtasks.HttpRequest{HttpMethod: http.MethodPost, Url: url},
	}
	if t.o.ServiceAccount != "" {
		task.HttpRequest.OidcToken = &cloudtasks.OidcToken{ServiceAccountEmail: t.o.ServiceAccount, Audience: strings.TrimSuffix(t.o.URL, "/")}
	}
	_, err := t.tasks.Create(t.o.Queue, &cloudtasks.CreateTaskRequest{Task: task}).Context(ctx).Do()
	if refused, ok := errors.AsType[*googleapi.Error](err); ok && refused.Code == http.StatusConflict {
		return nil // another instance was first, or this is a repetition
	}
	if err != nil {
		return fmt.Errorf("create a task in %s: %w", t.o.Queue, err)
	}
	return nil
}
