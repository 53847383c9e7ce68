package run_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

const wells = `{"orgId":"mywell","type":"both","datasource":{"type":"legacy-mywell","url":"URL"},"frequency":"daily"}`

func well(id int) mock.Row {
	return mock.Row{"id": id, "postcode": 313603, "villageId": 11, "type": "well", "owner": fmt.Sprint("owner ", id)}
}

func wellReading(id int, value any) mock.Row {
	return mock.Row{"id": id, "postcode": 313603, "resourceId": 117, "date": fmt.Sprintf("2026-01-%02dT00:00:00.000Z", id), "value": value}
}

func ourReading(day int, value any) (string, map[string]any) {
	at := fmt.Sprintf("2026-02-%02dT00:00:00Z", day)
	return "ours-" + at, map[string]any{"resourceId": "313603.117", "timeseries": "default", "datetime": at, "value": value}
}

// Each fault of OurWater's Sync API, by name.
func TestOurWaterFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(b *bench){
		"lastSyncDate was never written, so every push resent everything": func(b *bench) {
			for i := range 5 {
				b.put(ourReadingArgs(i+1, 1.5))
			}
			b.finished(syncrun.Start{Method: syncrun.DoPush})
			sent := b.posts.Load()
			require.Positive(b, sent)
			again := b.finished(syncrun.Start{Method: syncrun.DoPush})
			require.Equal(b, sent, b.posts.Load())
			require.Zero(b, again.Counts.Created)
			require.Len(b, b.mock.Rows("reading"), 5)
		},
		"pulled readings could be pushed back": func(b *bench) {
			for i := range 5 {
				b.theirs("reading", wellReading(i+1, 2.5))
			}
			b.finished(syncrun.Start{})
			b.finished(syncrun.Start{})
			require.Len(b, b.records("reading"), 5)
			require.Zero(b, b.posts.Load())
		},
		"a push was not awaited and always finished": func(b *bench) {
			b.put(ourReadingArgs(1, 1.5))
			b.mock.SetFaults(mock.Faults{mock.Rate500: {Probability: 1}})
			run := b.run(syncrun.Start{Method: syncrun.DoPush})
			require.Equal(b, syncrun.Failed, run.State)
			require.Contains(b, run.Errors[0], "500")
			b.mock.SetFaults(nil)
			require.Equal(b, int64(1), b.finished(syncrun.Start{Method: syncrun.DoPush}).Counts.Created)
		},
		"dates were hard-coded": func(b *bench) {
			for i, year := range []string{"1970", "2017", "2026", "2199"} {
				row := wellReading(i+1, 2.5)
				row["date"] = year + "-06-01T00:00:00.000Z"
				b.theirs("reading", row)
			}
			b.finished(syncrun.Start{})
			require.Len(b, b.records("reading"), 4)
		},
		"groups and resources were duplicated on every pull": func(b *bench) {
			b.theirs("village", mock.Row{"id": 11, "postcode": 313603, "name": "Dharta"})
			b.theirs("resource", well(117))
			for range 3 {
				b.finished(syncrun.Start{})
			}
			require.Len(b, b.records("group"), 1)
			require.Len(b, b.records("resource"), 1)
		},
		"validation errors were dropped": func(b *bench) {
			for i := range 9 {
				b.theirs("reading", wellReading(i+1, 2.5))
			}
			b.theirs("reading", wellReading(10, "high"))
			run := b.run(syncrun.Start{Method: syncrun.DoPull})
			require.Equal(b, syncrun.Partial, run.State)
			list, _, err := b.svc.Rejects(b.Context(), "s", "", 10)
			require.NoError(b, err)
			require.Len(b, list, 1)
			require.Equal(b, "value", list[0].Field)
			require.Equal(b, "is not a number", list[0].Reason)
		},
		"frequencies were stored and never scheduled": func(b *bench) {
			b.theirs("resource", well(117))
			b.wait(25 * time.Hour)
			started, _, err := b.svc.Due(b.Context())
			require.NoError(b, err)
			require.Len(b, started, 1)
			run, err := b.svc.Wait(b.Context(), "s", started[0].ID, nil)
			require.NoError(b, err)
			require.Equal(b, int64(1), run.Counts.Created)
		},
		"a run could stay running for ever": func(b *bench) {
			b.mock.SetFaults(mock.Faults{mock.RepeatPage: {Probability: 1}})
			for i := range 3 {
				b.theirs("resource", well(117+i))
			}
			run := b.run(syncrun.Start{Method: syncrun.DoPull})
			require.True(b, run.State.Ended())
		},
		"value was not checked to be a number": func(b *bench) {
			b.put(ourReadingArgs(1, "high"))
			run := b.run(syncrun.Start{Method: syncrun.DoPush})
			require.Equal(b, int64(1), run.Counts.Rejected)
			require.Empty(b, b.mock.Rows("reading"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(between(t, mock.NewMyWell, wells))
		})
	}
	t.Run("no authentication", noAuthentication)
	t.Run("a resource with a pincode and no id is new: push it, write the id back", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewMyWell, wells)
		b.put("resource", "mine", map[string]any{"owner": "me", "resourceType": "well", "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "11"}})
		b.finished(syncrun.Start{})
		b.finished(syncrun.Start{})
		require.Len(t, b.mock.Rows("resource"), 1)
		e, err := b.ents.Get(t.Context(), "mywell", "resource", "mine")
		require.NoError(t, err)
		require.Equal(t, "313603.1110", e.ExternalIDs["legacyMyWellId"])
		require.Len(t, b.records("resource"), 1)
	})
	t.Run("validate reports Validated N readings", func(t *testing.T) {
		t.Parallel()
		b := between(t, mock.NewMyWell, wells)
		for i := range 5 {
			b.theirs("reading", wellReading(i+1, 2.5))
		}
		run := b.finished(syncrun.Start{Method: syncrun.Validate})
		require.Empty(t, run.Warnings)
		require.True(t, slices.ContainsFunc(run.Results, func(s *syncrun.Step) bool { return s.Message == "Validated 5 readings." }))
		require.Empty(t, b.records("reading"))
	})
}

func ourReadingArgs(day int, value any) (string, string, map[string]any) {
	id, data := ourReading(day, value)
	return "reading", id, data
}
