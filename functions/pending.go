package functions

import (
	"net/http"
	"time"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/web"
)

type pendingJSON struct {
	ID         string     `json:"id"`
	ReceivedAt time.Time  `json:"receivedAt"`
	LeavesAt   *time.Time `json:"leavesAt,omitempty" description:"When it leaves the window, if each event leaves by itself."`
	Size       int64      `json:"size" description:"Bytes."`
	Key        string     `json:"correlationKey,omitempty" description:"Of a service with correlation."`
}

type waitingJSON struct {
	EventKey string        `json:"eventKey"`
	Events   []pendingJSON `json:"events"`
	More     bool          `json:"more" description:"The endpoint has more events than are listed."`
}

type windowJSON struct {
	Period    int           `json:"observationPeriod" description:"The length of the window, in seconds."`
	Endpoints []waitingJSON `json:"endpoints"`
}

// listPending lists the events in the window, oldest first.
func listPending(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "limit", "key")
	if err != nil {
		return err
	}
	limit, err := limitOf(q.Get("limit"), defaultPage)
	if err != nil {
		return err
	}
	waiting, err := g.Pending(r.Context(), keyOf(r), limit)
	if err != nil {
		return err
	}
	out := windowJSON{int(g.Service().Trigger.Period().Seconds()), make([]waitingJSON, len(waiting))}
	for i, one := range waiting {
		out.Endpoints[i] = waitingJSON{one.EventKey, make([]pendingJSON, len(one.Events)), one.More}
		for n, e := range one.Events {
			p := pendingJSON{ID: e.ID, ReceivedAt: e.ReceivedAt, Size: e.Size}
			if !g.Closes() {
				leaves := e.ReceivedAt.Add(g.Service().Trigger.Period())
				p.LeavesAt = &leaves
			}
			if one.Keys != nil {
				p.Key = one.Keys[n]
			}
			out.Endpoints[i].Events[n] = p
		}
	}
	return web.JSON(w, http.StatusOK, out)
}

type historyStepJSON struct {
	At       time.Time `json:"at" description:"When the step began."`
	Events   int       `json:"events"`
	Messages int       `json:"messages"`
}

type lagJSON struct {
	EventID     string    `json:"eventID"`
	FirstEvent  time.Time `json:"firstEvent" description:"When the first of its events was received."`
	PublishedAt time.Time `json:"publishedAt"`
}

type historyJSON struct {
	Since   time.Time         `json:"since"`
	Step    int               `json:"stepSeconds" description:"The length of a step: a minute of an hour, 30 minutes of a day, three hours of a week."`
	Steps   []historyStepJSON `json:"steps" description:"The steps that had events or messages. Events count at the time of their receipt. Those of all but the latest messages count at the time of their message."`
	Lags    []lagJSON         `json:"messages" description:"The latest messages that were published, with the time from their first event until then."`
	Partial bool              `json:"partial" description:"There was more than was read."`
}

// spans has the values that showHistory takes.
var spans = map[string]gate.Span{"": gate.Hour, "hour": gate.Hour, "day": gate.Day, "week": gate.Week}

// showHistory shows events over time, and how long messages took.
func showHistory(g *gate.Gate, w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "span")
	if err != nil {
		return err
	}
	span, ok := spans[q.Get("span")]
	if !ok {
		return fault.New(fault.Invalid, "span must be hour, day or week")
	}
	h, err := g.History(r.Context(), span)
	if err != nil {
		return err
	}
	out := historyJSON{h.Since, int(span.Step.Seconds()), []historyStepJSON{}, []lagJSON{}, h.Partial}
	for _, s := range h.Steps {
		out.Steps = append(out.Steps, historyStepJSON(s))
	}
	for _, l := range h.Lags {
		out.Lags = append(out.Lags, lagJSON(l))
	}
	return web.JSON(w, http.StatusOK, out)
}
