package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each setting that one sliding window of all events cannot serve needs sets of keys.
func TestWhatKeepsSets(t *testing.T) {
	t.Parallel()
	one := []Endpoint{{EventKey: "a", MinNbOfOccurrence: 1}}
	for name, s := range map[string]Service{
		"nothing": {Endpoints: one}, "sliding": {Endpoints: one, Trigger: Trigger{Window: "sliding"}},
		"kept": {Endpoints: one, Trigger: Trigger{KeepEventAfterTrigger: true}}, "filter": {Endpoints: []Endpoint{{EventKey: "a", Filter: "true"}}},
	} {
		require.False(t, s.KeepsSets(), name)
	}
	for name, s := range map[string]Service{
		"correlation": {Correlation: &Correlation{Key: "event.body.id"}}, "condition": {Trigger: Trigger{Condition: "a or b"}},
		"anchored": {Trigger: Trigger{Window: "anchored"}}, "tumbling": {Trigger: Trigger{Window: "tumbling"}}, "session": {Trigger: Trigger{Window: "session"}},
		"reset": {Reset: []Cron{{Cron: "0 0 * * *"}}}, "optional": {Endpoints: []Endpoint{one[0], {EventKey: "b", Optional: true}}},
		"distinct": {Endpoints: []Endpoint{{EventKey: "a", Distinct: "event.body.id"}}}, "at most": {Endpoints: []Endpoint{{EventKey: "a", MaxNbOfOccurrence: 2}}},
	} {
		require.True(t, s.KeepsSets(), name)
	}
}
