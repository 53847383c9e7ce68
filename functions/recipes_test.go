package functions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
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
	curl    = regexp.MustCompile(`^\$ curl ((?:-H '[^']*' )*)(?:-d '(.*)' )?(?:-X (\w+) )?'?localhost:8080(/[^' ]*)'?(?: \| jq '(.*)')?$`)
	header  = regexp.MustCompile(`-H '([^:']*): ([^']*)'`)
	passing = regexp.MustCompile(`^# .*\(\+(\w+)\)$`)
)

// recipe is a gateway that plays the commands of a document.
type recipe struct {
	*gateway
	triggered string // the latest message
}

func newRecipe(t *testing.T, file []byte) *recipe {
	cfg, err := config.Parse(file)
	require.NoError(t, err)
	r := &recipe{gateway: newGatewayOf(t, cfg, false)}
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
	command := ""
	for line := range strings.Lines(transcript) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "$"), command != "":
			out.WriteString(line + "\n")
			part, more := strings.CutSuffix(line, "\\")
			command += strings.TrimLeft(part, " ")
			if more {
				continue
			}
			r.advance(time.Second)
			out.WriteString(r.run(command) + "\n")
			command = ""
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

// run sends what a command sends, and returns the answer, or the part of it that jq shows, with
// its ids cut short. $ID is the message that an answer before named.
func (r *recipe) run(command string) string {
	c := curl.FindStringSubmatch(command)
	require.NotNil(r, c, command)
	body, method, path := c[2], c[3], strings.ReplaceAll(c[4], "$ID", r.triggered)
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
	for _, h := range header.FindAllStringSubmatch(c[1], -1) {
		req.Header.Set(h[1], h[2])
	}
	a := r.send(req)
	require.Less(r, a.status, 500, "%s", a.raw)
	if id, _ := a.json["triggered"].(string); id != "" {
		r.triggered = id
	}
	text := a.raw
	if c[5] != "" {
		text = part(r, a.raw, c[5])
	}
	return longID.ReplaceAllString(strings.TrimSpace(string(text)), "$1…")
}

// part returns what jq shows of a document under a path such as .events.file.events[0].
func part(t testing.TB, text []byte, path string) []byte {
	for step := range strings.FieldsFuncSeq(path, func(c rune) bool { return strings.ContainsRune(".[]", c) }) {
		if i, err := strconv.Atoi(step); err == nil {
			var list []json.RawMessage
			require.NoError(t, json.Unmarshal(text, &list))
			text = list[i]
			continue
		}
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &object))
		require.Contains(t, object, step)
		text = object[step]
	}
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, text, "", "  "))
	return out.Bytes()
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
