package functions

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
)

const cookbook = "../docs/cookbook.md"

// The recipes of docs/cookbook.md with what they publish: the correlation key, the completion,
// the number of events by endpoint, and after a minus sign what is missing.
var recipes = map[string][]string{
	"three-files-and-a-push": {" complete approved=1 customers=1 orders=1 prices=1"},
	"shards-of-a-job":        {"8a complete shard-done=4", "8b partial shard-done=1 -shard-done"},
	"order-payment-stock":    {"17 complete note=1 order=1 payment=1 stock=1", "18 partial order=1 -payment -stock"},
	"daily-close":            {" complete inventory=1 sales=2", " partial sales=1 -stock", "alert incomplete -stock", "alert overdue -stock"},
	"debounce":               {"beta complete changed=1", "acme complete changed=3"},
}

// Each recipe's configuration is its example file, and its commands give the answers that
// the document shows. After a change, run go test ./functions -run TestRecipes -update.
func TestRecipes(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(cookbook)
	require.NoError(t, err)
	text := string(doc)
	for name, published := range recipes {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile("../config/examples/" + name + ".json")
			require.NoError(t, err)
			_, section, found := strings.Cut(text, "```json\n"+string(file)+"```\n")
			require.True(t, found, "the document has the configuration of config/examples/%s.json, letter by letter", name)
			_, section, found = strings.Cut(section, "```console\n")
			require.True(t, found)
			transcript, _, _ := strings.Cut(section, "```\n")

			r := newRecipe(t, file)
			got := r.play(transcript)
			require.Equal(t, published, r.published())
			if *update {
				text = strings.Replace(text, transcript, got, 1)
				return
			}
			require.Equal(t, anyID.ReplaceAllString(transcript, "ID"), anyID.ReplaceAllString(got, "ID"))
		})
	}
	if *update && !t.Failed() {
		require.NoError(t, os.WriteFile(cookbook, []byte(text), 0o644))
	}
}

var (
	longID  = regexp.MustCompile(`\b([0-9a-f]{4})[0-9a-f]{12,}\b`)
	anyID   = regexp.MustCompile(`\b[0-9a-f]{4}…`) // as the document shows one
	curl    = regexp.MustCompile(`^\$ curl (?:-d '(.*)' )?(?:-X (\w+) )?'?localhost:8080(/[^' ]*)'?$`)
	passing = regexp.MustCompile(`^# .*\(\+(\w+)\)$`)
)

// recipe is a gateway that plays the commands of a document.
type recipe struct{ *gateway }

func newRecipe(t *testing.T, file []byte) *recipe {
	cfg, err := config.Parse(file)
	require.NoError(t, err)
	r := &recipe{newGatewayOf(t, cfg, false)}
	for _, topic := range cfg.Services[0].Topics() {
		r.bus.Bus.(*localbus.Bus).Declare(topic)
	}
	return r
}

// play runs the commands of a transcript, and returns it with their answers. A comment
// that ends with "(+1h)" lets an hour pass. Then a check closes what is due, as a process
// that runs between requests does every second.
func (r *recipe) play(transcript string) string {
	var out strings.Builder
	for line := range strings.Lines(transcript) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "$"):
			c := curl.FindStringSubmatch(line)
			require.NotNil(r, c, line)
			r.advance(time.Second)
			fmt.Fprintf(&out, "%s\n%s\n", line, r.run(c[2], c[3], c[1]))
		case strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
			if p := passing.FindStringSubmatch(line); p != nil {
				d, err := time.ParseDuration(p[1])
				require.NoError(r, err)
				r.advance(d)
				require.Equal(r, 200, r.do("POST", "/check", "").status)
				require.Eventually(r, func() bool {
					return len(r.do("GET", "/messages?state=claimed", "").json["messages"].([]any)) == 0
				}, time.Minute, time.Millisecond, "what was closed is published")
			}
		}
	}
	return out.String()
}

// run sends what curl sends, and returns the answer with its ids cut short.
func (r *recipe) run(method, path, body string) string {
	switch {
	case method != "":
	case body != "":
		method = "POST"
	default:
		method = "GET"
	}
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a := r.send(req)
	require.Less(r, a.status, 500, "%s", a.raw)
	return longID.ReplaceAllString(strings.TrimSpace(string(a.raw)), "$1…")
}

// published describes the messages that the bus has, in order, and then the alerts: a
// message and the alert about it are sent at the same time.
func (r *recipe) published() (list []string) {
	var alerts []string
	for _, m := range r.bus.all() {
		var body struct {
			CorrelationKey string
			Completion     string
			Missing        []struct{ EventKey string }
			Events         map[string]struct{ NumberOfEvents int }
			Kind           string // of an alert
		}
		require.NoError(r, json.Unmarshal(m.Data, &body))
		var counts []string
		if body.Kind != "" {
			body.CorrelationKey, body.Completion = "alert", body.Kind
		}
		for key, e := range body.Events {
			if e.NumberOfEvents > 0 {
				counts = append(counts, fmt.Sprintf("%s=%d", key, e.NumberOfEvents))
			}
		}
		slices.Sort(counts)
		for _, short := range body.Missing {
			counts = append(counts, "-"+short.EventKey)
		}
		line := body.CorrelationKey + " " + body.Completion + " " + strings.Join(counts, " ")
		if body.Kind != "" {
			alerts = append(alerts, line)
		} else {
			list = append(list, line)
		}
	}
	return append(list, alerts...)
}
