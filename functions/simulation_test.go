package functions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
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
}

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
			for seed := range uint64(2) {
				d := newRandomDeployment(t, text, seed)
				d.live()
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
	if e.Unwrap == "pubsub" {
		return fmt.Sprintf(`{"subscription":"projects/p/subscriptions/s","message":{"messageId":"%d","data":"e30=","attributes":{"eventType":"OBJECT_FINALIZE","objectId":"in/%d"}}}`, d.Int(), value)
	}
	at := d.clock().Add(time.Duration(d.IntN(300)-290) * time.Minute / 10).Format(time.RFC3339)
	return fmt.Sprintf(`{"order":"o%d","orderId":%d,"job":"j%d","tenant":"t%d","id":"%d","value":"%d","total":3,"shard":%d,"bookedAt":%q,"metadata":{"order":%d},"name":"in/%d.csv","size":1}`,
		n, n, n, n, d.IntN(1000), value, value, at, n, value)
}

func (d *randomDeployment) compare() {
	events := d.do("GET", "/events", "")
	require.Equal(d, 200, events.status, "%s", events.raw)
	var lines []*simulation.Line
	until := d.clock()
	sum, err := simulation.Run(d.Context(), d.svc, simulation.Read(bytes.NewReader(events.raw)), simulation.Options{Until: until},
		func(l *simulation.Line) error { lines = append(lines, l); return nil })
	require.NoError(d, err)
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
