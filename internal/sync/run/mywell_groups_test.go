package run_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// fromGroups is wells with pincodeFromGroups.
var fromGroups = strings.Replace(wells, `"url":"URL"`, `"url":"URL","options":{"pincodeFromGroups":true}`, 1)

func inGroups(groups any) map[string]any {
	return map[string]any{"owner": "me", "resourceType": "well", "groups": groups}
}

// A resource without a pincode takes that of its groups, and the village that is one of them,
// whether the group or the resource was there first, and whichever changed last. Without the
// option it stays here.
func TestMyWellPincodeOfAGroup(t *testing.T) {
	t.Parallel()
	pincode := map[string]any{"name": "313603", "type": "pincode", "externalIds": map[string]any{"legacyMyWellPincode": "313603"}}
	for name, groups := range map[string]any{
		"a list": []any{"mine", "313603.11", "other"},
		"a map":  map[string]any{"mine": true, "313603.11": true, "5063.11": false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := between(t, mock.NewMyWell, fromGroups)
			b.theirs("village", mock.Row{"id": 11, "postcode": 313603, "name": "Dharta"})
			b.theirs("village", mock.Row{"id": 11, "postcode": 5063, "name": "other"})
			b.put("group", "mine", map[string]any{"name": "mine", "type": "pincode"})
			b.put("resource", "well", inGroups(groups))
			b.put("resource", "late", inGroups([]any{"mine"}))
			b.put("resource", "nowhere", inGroups([]any{"unknown"}))
			b.put("reading", "r", map[string]any{"resourceId": "well", "timeseries": "default", "datetime": "2026-02-01T00:00:00Z", "value": 1})
			validated := b.finished(syncrun.Start{Method: syncrun.Validate})
			require.Zero(t, validated.Counts.Rejected)
			for range 3 {
				b.finished(syncrun.Start{})
				b.wait(time.Hour)
			}
			require.Equal(t, []string{"313603 1110 11"}, placesOf(b))
			require.Equal(t, "313603 1110", fmt.Sprint(b.mock.Rows("reading")[0]["postcode"], " ", b.mock.Rows("reading")[0]["resourceId"]))
			e, err := b.ents.Get(t.Context(), "mywell", "resource", "well")
			require.NoError(t, err)
			require.Equal(t, "313603.1110", e.ExternalIDs["legacyMyWellId"])

			b.put("group", "mine", pincode) // only the group changes
			run := b.run(syncrun.Start{})
			require.Equal(t, int64(1), run.Counts.Rejected, "a new well needs a village, too")
			village := inGroups([]any{"mine"})
			village["externalIds"] = map[string]any{"legacyMyWellVillageId": "12"}
			b.put("resource", "late", village)
			for range 2 {
				b.finished(syncrun.Start{})
				b.wait(time.Hour)
			}
			require.Equal(t, []string{"313603 1110 11", "313603 1210 12"}, placesOf(b))
			require.Len(t, b.records("resource"), 3)
			sent := b.posts.Load()
			b.finished(syncrun.Start{})
			require.Equal(t, sent, b.posts.Load())
		})
	}
	t.Run("without the option", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewMyWell, wells)
		b.theirs("village", mock.Row{"id": 11, "postcode": 313603, "name": "Dharta"})
		b.put("resource", "well", inGroups([]any{"313603.11"}))
		for range 2 {
			b.finished(syncrun.Start{})
		}
		require.Empty(t, placesOf(b))
	})
}

func placesOf(b *bench) (out []string) {
	for _, row := range b.mock.Rows("resource") {
		out = append(out, fmt.Sprint(row["postcode"], " ", row["id"], " ", row["villageId"]))
	}
	return out
}

// A creation whose answer is lost is sent again with the same pincode.
func TestMyWellPincodeOfAGroupAfterALostAnswer(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, fromGroups)
	b.theirs("village", mock.Row{"id": 11, "postcode": 313603, "name": "Dharta"})
	b.finished(syncrun.Start{})
	b.put("resource", "well", inGroups([]any{"313603.11"}))
	b.mock.SetFaults(mock.Faults{mock.LostAnswer: {Probability: 1}})
	require.Equal(t, syncrun.Failed, b.run(syncrun.Start{}).State)
	b.mock.SetFaults(nil)
	b.finished(syncrun.Start{})
	b.finished(syncrun.Start{})
	require.Equal(t, []string{"313603 1110 11"}, placesOf(b))
	require.Len(t, b.records("resource"), 1)
}

// Groups that contradict each other give nothing: the resource is rejected with the reason.
// Its own pincode wins over its groups'.
func TestMyWellGroupsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, strings.Replace(fromGroups, "{", `{"maxRejected":1,`, 1))
	for _, v := range []mock.Row{{"id": 11, "postcode": 313603}, {"id": 12, "postcode": 313603}, {"id": 13, "postcode": 5063}} {
		v["name"] = "x"
		b.theirs("village", v)
	}
	b.put("resource", "a", inGroups([]any{"313603.11", "5063.13"}))
	b.put("resource", "b", inGroups([]any{"313603.11", "313603.12"}))
	own := inGroups([]any{"313603.11", "5063.13"})
	own["externalIds"] = map[string]any{"legacyMyWellPincode": "5063"}
	b.put("resource", "own", own)
	run := b.run(syncrun.Start{})
	require.Equal(t, syncrun.Partial, run.State, "%q", run.Errors)
	list, _, err := b.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	reasons := map[string]string{}
	for _, r := range list {
		reasons[r.Key] = r.Field + ": " + r.Reason
	}
	require.Equal(t, map[string]string{
		"a": "groups: its groups have two pincodes, 313603 and 5063: set externalIds.legacyMyWellPincode",
		"b": "groups: its groups are two villages, 11 and 12: set externalIds.legacyMyWellVillageId",
	}, reasons)
	require.Equal(t, []string{"5063 1310 13"}, placesOf(b))
}
