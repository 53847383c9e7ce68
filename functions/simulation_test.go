package functions

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/bus/localbus"
	"github.com/headgate/headgate/internal/simulation"
)

// simulated are configurations whose deployments are simulated: those of the recipes, and
// these.
var simulated = map[string]string{
	"sliding":  oneService(""),
	"kept":     `{"serviceName":"k","trigger":{"type":"window","observationPeriod":900,"keepEventAfterTrigger":true},"endpoints":[{"eventKey":"a"},{"eventKey":"b","minNbOfOccurrence":2}],"targetPubSub":{"topic":"` + testTopic + `"}}`,
	"distinct": `{"serviceName":"d","trigger":{"type":"window","observationPeriod":1200},"endpoints":[{"eventKey":"a","distinct":"event.body.value","minNbOfOccurrence":3},{"eventKey":"b","keep":"first","distinct":"event.body.value"}],"targetPubSub":{"topic":"` + testTopic + `"}}`,
	"reset": `{"serviceName":"r","trigger":{"type":"window","window":"session","observationPeriod":1200,"release":"close","onClose":"drop"},"correlation":{"key":"event.body.order"},
		"reset":[{"cron":"*/50 * * * *"}],"endpoints":[{"eventKey":"a","maxNbOfOccurrence":2},{"eventKey":"b","eventToSend":"BOUNDARIES"}],"targetPubSub":{"topic":"` + testTopic + `"}}`,
	"condition": `{"serviceName":"c","trigger":{"type":"window","window":"anchored","observationPeriod":700,"condition":"a || atLeast(2, b, c)","onClose":"partial"},
		"endpoints":[{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b","filter":"event.body.value != '1'"},{"eventKey":"c","id":"event.body.value"}],"targetPubSub":{"topic":"` + testTopic + `"}}`,
	"letters": `{"serviceName":"l","deadLetter":{"topic":"` + deadTopic + `"},"alerts":{"topic":"` + testTopic + `"},
		"trigger":{"type":"window","window":"tumbling","every":"hour","eventTime":"event.body.bookedAt","grace":60,"late":"deadLetter","release":"close","onClose":"deadLetter"},
		"correlation":{"key":"event.body.value == '0' ? '' : event.body.order","onMissing":"deadLetter"},"endpoints":[{"eventKey":"a","onError":"deadLetter","filter":"event.body.value != '1' || event.body.none"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + testTopic + `"}}`,
	"names": `{"serviceName":"n","alerts":{"topic":"` + testTopic + `"},"trigger":{"type":"window","observationPeriod":600},
		"endpoints":[{"eventKey":"a","id":"event.body.value"}],"targetPubSub":{"topic":"` + testTopic + `"}}`,
	"feed": `{"serviceName":"f","deadLetter":{"topic":"` + deadTopic + `"},"trigger":{"type":"window","observationPeriod":1200},
		"endpoints":[{"eventKey":"a","unwrap":"pubsub","distinct":"event.attributes.objectId"},{"eventKey":"b"}],"targetPubSub":{"topic":"` + testTopic + `"},
		"feeds":[{"name":"x","routes":[{"when":"event.attributes.objectId.contains('orders')","eventKey":"a"},{"when":"event.attributes.objectId.contains('prices')","eventKey":"b"}],"otherwise":"deadLetter"}]}`,
}

// simulatedSeeds is the number of random deployments for each configuration.
var simulatedSeeds = flag.Uint64("simulated-seeds", 2, "simulate `N` random deployments of each configuration")

// A simulation of the events that a deployment recorded makes of them what the deployment
// did: the same messages with the same events and ids, complete, partial, dropped or not.
func TestASimulationDoesWhatTheDeploymentDid(t *testing.T) {
	t.Parallel()
	for name := range recipes {
		file, err := os.ReadFile("../config/examples/" + name + ".json")
		require.NoError(t, err)
		simulated[name] = string(file)
	}
	for name, text := range simulated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range *simulatedSeeds {
				d := newRandomDeployment(t, text, seed)
				for range 2 { // names are forgotten in between
					d.live()
				}
				d.compare()
			}
		})
	}
}

// randomDeployment gets random events at random times.
type randomDeployment struct {
	*gateway
	*rand.Rand
	svc   config.Service
	first time.Time
}

func newRandomDeployment(t *testing.T, text string, seed uint64) *randomDeployment {
	cfg, err := config.Parse([]byte(text))
	require.NoError(t, err)
	d := &randomDeployment{gateway: newGatewayOf(t, cfg, false), Rand: rand.New(rand.NewPCG(seed, 1)), svc: cfg.Services[0]}
	for _, topic := range d.svc.Topics() {
		d.bus.Bus.(*localbus.Bus).Declare(topic)
	}
	d.advance(time.Hour) // a young clock deletes nothing
	d.first = d.clock()
	return d
}

// live sends the events, while sweeps come late and irregularly, and then lets all windows end.
func (d *randomDeployment) live() {
	for range 100 {
		d.advance(time.Duration(d.IntN(int(90 * time.Second))).Truncate(time.Microsecond))
		e := d.svc.Endpoints[d.IntN(len(d.svc.Endpoints))]
		body, kind := d.body(e), d.IntN(8)
		if feeds := d.svc.Feeds; len(feeds) > 0 && d.IntN(4) > 0 {
			require.Equal(d, 200, d.do("POST", "/feed/"+feeds[0].Name, d.push(), "Content-Type", "application/json").status)
			continue
		}
		switch {
		case kind == 0 && e.Distinct == "" && e.Unwrap == "": // records do not tell the order in a batch
			d.do("POST", "/events/"+e.EventKey, "["+body+","+d.body(e)+"]", "Content-Type", "application/json")
		case kind == 1 && !d.svc.Trigger.KeepEventAfterTrigger: // a duplicate makes it look once more
			d.do("POST", "/event/"+e.EventKey, body, "Idempotency-Key", fmt.Sprint(d.IntN(20)))
		case kind == 2 && !d.svc.Trigger.KeepEventAfterTrigger: // it would publish what is left of a window
			require.Equal(d, 200, d.do("POST", "/sweep", "").status)
		default:
			d.do("POST", "/event/"+e.EventKey, body, "Content-Type", "application/json")
		}
	}
	for range 12 {
		d.advance(3 * time.Hour)
		require.Equal(d, 200, d.do("POST", "/check", "").status)
		require.Equal(d, 200, d.do("POST", "/sweep", "").status)
	}
}

// body is one that all expressions of the configurations take.
func (d *randomDeployment) body(e config.Endpoint) string {
	n, value := d.IntN(4), d.IntN(4)
	if e.Unwrap == "pubsub" || strings.Contains(e.Distinct, "attributes") {
		return d.push()
	}
	at := d.clock().Add(time.Duration(d.IntN(300)-290) * time.Minute / 10).Format(time.RFC3339)
	return fmt.Sprintf(`{"order":"o%d","orderId":%d,"job":"j%d","tenant":"t%d","id":"%d","value":"%d","total":3,"shard":%d,"bookedAt":%q,"metadata":{"order":%d},"name":"in/%d.csv","size":1}`,
		n, n, n, n, d.IntN(1000), value, value, at, n, value)
}

// push is one of a bucket.
func (d *randomDeployment) push() string {
	file := []string{"customers", "orders", "prices", "others"}[d.IntN(4)]
	return fmt.Sprintf(`{"subscription":"projects/p/subscriptions/s","message":{"messageId":"%d","data":"e30=","attributes":{"eventType":"OBJECT_FINALIZE","objectId":"in/%s%d"}}}`, d.Int(), file, d.IntN(2))
}

// alerted returns the eventIDs of windows that closed incomplete and were alerted, in order.
func (d *randomDeployment) alerted() (ids []string) {
	for _, m := range d.bus.all() {
		if m.Attributes["kind"] == "incomplete" {
			ids = append(ids, m.Attributes["eventID"])
		}
	}
	slices.Sort(ids)
	return ids
}

func (d *randomDeployment) compare() {
	events := d.do("GET", "/events", "")
	require.Equal(d, 200, events.status, "%s", events.raw)
	var lines []*simulation.Line
	until := d.clock()
	sum, err := simulation.Run(d.Context(), d.svc, simulation.Read(bytes.NewReader(events.raw)), simulation.Options{Until: until},
		func(l *simulation.Line) error { lines = append(lines, l); return nil })
	require.NoError(d, err)
	var alerted []string
	for _, l := range lines {
		var a struct{ Kind, EventID string }
		if l.Kind == simulation.Alert && json.Unmarshal(l.Alert, &a) == nil && a.Kind == "incomplete" {
			alerted = append(alerted, a.EventID)
		}
	}
	slices.Sort(alerted)
	require.Equal(d, d.alerted(), alerted)
	require.Zero(d, sum.Refused, "what was stored once is not refused")
	require.Positive(d, sum.Events)

	var list struct{ Messages []simulation.Recorded }
	require.NoError(d, json.Unmarshal(d.do("GET", "/messages?limit=1000", "").raw, &list))
	require.NotEmpty(d, list.Messages)
	difference, early, err := simulation.Against(list.Messages, lines, d.first, func(r *simulation.Recorded) error {
		r.First = d.first
		return nil
	})
	require.NoError(d, err)
	require.Zero(d, early)
	require.Empty(d, difference)
}
