package gate_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/config"
)

// A plan is a random configuration and what happens to it.
type plan struct {
	Rules planRules
	Skew  time.Duration // of the second instance's clock
	Steps []step
}

// planRules are the rules of a plan's service, in the terms of an obvious model.
type planRules struct {
	Kind, OnClose, Late          string
	Period, MaxPeriod, Grace     int // seconds; Period is the interval of a tumbling window
	AtClose, Async, EventTime    bool
	Correlated, Optional, Resets bool // Optional: c
	Need                         int  // of a
	Max                          int  // of a; 0: no bound
	Distinct, KeepFirst          bool // of b
	Condition                    int  // an index of conditions; 0: the default
	MaxClaim                     int  // 0: the store's
}

// conditions are texts and what they say of the endpoints a, b and c.
var conditions = []struct {
	text  string
	holds func(a, b, c bool) bool
}{
	{"", nil},
	{"a && b && c", func(a, b, c bool) bool { return a && b && c }},
	{"a || b && c", func(a, b, c bool) bool { return a || b && c }},
	{"atLeast(2, a, b, c)", func(a, b, c bool) bool { return a && b || b && c || a && c }},
}

// holds reports whether the numbers of events of a, b and c complete a window.
func (r planRules) holds(have [3]int) bool {
	a, b, c := have[0] >= r.Need, have[1] >= 1, have[2] >= 1
	if r.Condition == 0 {
		return a && b && (c || r.Optional)
	}
	return conditions[r.Condition].holds(a, b, c)
}

const deadTopic = "projects/p-1/topics/dead"

// service returns the configuration of the rules.
func (r planRules) service(t require.TestingT, name string) config.Service {
	trigger := []string{fmt.Sprintf(`"type":"window","window":%q`, r.Kind)}
	add := func(when bool, format string, args ...any) {
		if when {
			trigger = append(trigger, fmt.Sprintf(format, args...))
		}
	}
	add(r.Kind == "tumbling", `"every":%d`, r.Period)
	add(r.Kind == "tumbling" && r.Grace > 0, `"grace":%d`, r.Grace)
	add(r.Kind == "tumbling" && r.EventTime, `"eventTime":"event.body.at","late":%q`, r.Late)
	add(r.Kind != "tumbling", `"observationPeriod":%d`, r.Period)
	add(r.Kind == "session", `"maxPeriod":%d`, r.MaxPeriod)
	add(r.Kind != "sliding", `"onClose":%q`, r.OnClose)
	add(r.Kind != "sliding" && r.AtClose, `"release":"close"`)
	add(r.Condition > 0, `"condition":%q`, conditions[r.Condition].text)
	a := fmt.Sprintf(`{"eventKey":"a","minNbOfOccurrence":%d`, r.Need)
	if r.Max > 0 {
		a += fmt.Sprintf(`,"maxNbOfOccurrence":%d`, r.Max)
	}
	b := `{"eventKey":"b"`
	if r.Distinct {
		b += `,"distinct":"event.body.value"`
		if r.KeepFirst {
			b += `,"keep":"first"`
		}
	}
	more := ""
	if r.Correlated {
		more += `,"correlation":{"key":"event.body.order"}`
	}
	if r.Resets {
		more += `,"reset":[{"cron":"*/5 * * * *"}]`
	}
	cfg, err := config.Parse(fmt.Appendf(nil, `{"serviceName":%q,"retentionDays":1,"asyncEventTrigger":%t,"trigger":{%s},
		"endpoints":[%s},%s},{"eventKey":"c","optional":%t}],
		"targetPubSub":{"topic":%q},"deadLetter":{"topic":%q}%s}`,
		name, r.Async, strings.Join(trigger, ","), a, b, r.Optional, topic, deadTopic, more))
	require.NoError(t, err)
	return cfg.Services[0]
}

// step is one thing that happens. The fields that its Do does not need have no meaning.
type step struct {
	Do           string
	By           int // the instance
	Posts, Other []post
	For          time.Duration
	Calls        int  // of the store that a dying instance still makes
	Lost         bool // its last call takes effect, but its answer is lost
	Key          string
	Endpoint     string
}

// post is an event of a request.
type post struct {
	Endpoint, Order, Value string
	Name                   int           // 0: none
	At                     time.Duration // its own time minus the time of the request
}

func drawRules(t *rapid.T) planRules {
	r := planRules{
		Kind:    rapid.SampledFrom([]string{"sliding", "anchored", "tumbling", "session"}).Draw(t, "kind"),
		OnClose: rapid.SampledFrom([]string{"drop", "partial", "deadLetter"}).Draw(t, "onClose"),
		Late:    rapid.SampledFrom([]string{"next", "drop"}).Draw(t, "late"),
		Period:  120, MaxPeriod: 300, Grace: rapid.SampledFrom([]int{0, 30}).Draw(t, "grace"),
		AtClose:    rapid.Bool().Draw(t, "atClose"),
		Async:      rapid.IntRange(0, 3).Draw(t, "async") == 3,
		EventTime:  rapid.Bool().Draw(t, "eventTime"),
		Correlated: rapid.IntRange(0, 3).Draw(t, "correlated") > 0,
		Optional:   rapid.Bool().Draw(t, "optional"),
		Need:       rapid.IntRange(1, 2).Draw(t, "need"),
		Distinct:   rapid.Bool().Draw(t, "distinct"),
		KeepFirst:  rapid.Bool().Draw(t, "keepFirst"),
		Condition:  rapid.IntRange(0, len(conditions)-1).Draw(t, "condition"),
	}
	if r.Kind == "sliding" { // or a plan could have no rule that needs sets of keys
		r.Correlated = true
	}
	if rapid.IntRange(0, 3).Draw(t, "bounded") == 3 {
		r.Max = r.Need + rapid.IntRange(0, 1).Draw(t, "max")
	}
	r.Resets = rapid.IntRange(0, 4).Draw(t, "resets") == 4
	if rapid.IntRange(0, 2).Draw(t, "parts") == 2 {
		r.MaxClaim = rapid.IntRange(5, 8).Draw(t, "maxClaim") // from 7 on the first part has its marks, and all that a window needs
	}
	return r
}

func drawPost(t *rapid.T) post {
	return post{
		Endpoint: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "endpoint"),
		Order:    rapid.SampledFrom([]string{"x", "y"}).Draw(t, "order"),
		Value:    rapid.SampledFrom([]string{"u", "v"}).Draw(t, "value"),
		Name:     max(0, rapid.IntRange(-5, 5).Draw(t, "name")),
		At:       time.Duration(rapid.IntRange(-200, 100).Draw(t, "at")) * time.Second,
	}
}

func drawStep(t *rapid.T) step {
	posts := rapid.SliceOfN(rapid.Custom(drawPost), 1, 3)
	s := step{
		Do: rapid.SampledFrom([]string{
			"post", "post", "post", "post", "post", "race", "race", "pass", "pass", "pass", "close", "sweep", "bus", "trigger", "reset", "die", "restart",
		}).Draw(t, "do"),
		By: rapid.IntRange(0, 1).Draw(t, "by"),
	}
	switch s.Do {
	case "post", "race":
		s.Posts = posts.Draw(t, "posts")
		if s.Do == "race" {
			s.Other = posts.Draw(t, "other")
		}
	case "pass":
		s.For = time.Duration(rapid.SampledFrom([]int{1, 10, 60, 119, 120, 121, 400}).Draw(t, "for")) * time.Second
	case "die":
		s.Calls, s.Lost = rapid.IntRange(0, 12).Draw(t, "calls"), rapid.Bool().Draw(t, "lost")
	case "trigger", "reset":
		s.Key, s.Endpoint = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "key"), rapid.SampledFrom([]string{"", "a"}).Draw(t, "of")
	}
	return s
}

func drawPlan(t *rapid.T) plan {
	return plan{
		Rules: drawRules(t),
		Skew:  time.Duration(rapid.SampledFrom([]int{0, 0, 10, -10, 50, -50}).Draw(t, "skew")) * time.Second,
		Steps: rapid.SliceOfN(rapid.Custom(drawStep), 5, 40).Draw(t, "steps"),
	}
}
