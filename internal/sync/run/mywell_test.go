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

// Two wells and two villages have the same ids in different pincodes. Whatever is changed or
// deleted here reaches the one that it was meant for.
func TestMyWellChangesTheRowOfThePincode(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, wells)
	for _, pincode := range []int{5063, 313603} {
		b.theirs("village", mock.Row{"id": 11, "postcode": pincode, "name": "old", "coordinates": mock.Row{"lat": 1, "lng": 2}})
		b.theirs("resource", mock.Row{"id": 1111, "postcode": pincode, "villageId": 11, "type": "well", "owner": "old"})
	}
	b.theirs("resource", mock.Row{"id": 1112, "postcode": 313603, "villageId": 11, "type": "well", "owner": "only"})
	b.finished(syncrun.Start{})
	require.Equal(t, map[string]any{"lat": 1.0, "lng": 2.0}, b.records("group")["313603.11"]["coords"])

	edit := func(datatype, id, field string, value any) {
		data := b.records(datatype)[id]
		data[field] = value
		b.put(datatype, id, data)
	}
	edit("resource", "313603.1111", "owner", "new")
	edit("group", "313603.11", "name", "new")
	edit("group", "5063.11", "coords", map[string]any{"lat": 3, "lng": 4})
	for range 2 {
		b.finished(syncrun.Start{})
	}
	owners := func(typ, member string) map[string]string {
		out := map[string]string{}
		for _, row := range b.mock.Rows(typ) {
			out[fmt.Sprintf("%v.%v", row["postcode"], row["id"])] = fmt.Sprint(row[member])
		}
		return out
	}
	require.Equal(t, map[string]string{"5063.1111": "old", "313603.1111": "new", "313603.1112": "only"}, owners("resource", "owner"))
	require.Equal(t, map[string]string{"5063.11": "old", "313603.11": "new"}, owners("village", "name"))
	require.Equal(t, map[string]string{"5063.11": "map[lat:3 lng:4]", "313603.11": "map[lat:1 lng:2]"}, owners("village", "coordinates"))

	require.NoError(t, b.ents.Delete(t.Context(), b.org, "resource", "313603.1112", ""))
	require.NoError(t, b.ents.Delete(t.Context(), b.org, "resource", "313603.1111", ""))
	run := b.run(syncrun.Start{})
	require.Equal(t, map[string]string{"5063.1111": "old", "313603.1111": "new"}, owners("resource", "owner"), "an id that another pincode has as well is not deleted")
	require.Equal(t, int64(1), run.Counts.Rejected)
	list, _, err := b.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Contains(t, list[0].Reason, "pincode 5063 has a resource with the id 1111 as well")
}

// What has no pincode, a reading of a well that is not linked, and a group that is no
// village stay here: they are neither sent nor rejected, and do not fail a run.
func TestMyWellGetsOnlyWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, wells)
	b.theirs("resource", well(1111))
	b.finished(syncrun.Start{})
	for i := range 5 {
		b.put("resource", fmt.Sprint("ours-", i), map[string]any{"owner": "me", "resourceType": "well"})
		at := fmt.Sprintf("2026-02-%02dT00:00:00Z", i+1)
		b.put("reading", "r"+at, map[string]any{"resourceId": "ours-1", "timeseries": "default", "datetime": at, "value": i})
	}
	b.put("group", "pincode", map[string]any{"name": "313603", "type": "pincode", "externalIds": map[string]any{"legacyMyWellPincode": "313603"}})
	linked := func(id, at string, externalIDs map[string]any) {
		b.put("reading", id, map[string]any{"resourceId": id, "timeseries": "default", "datetime": at, "value": 1.5, "externalIds": externalIDs})
	}
	linked("313603.1111", "2026-02-01T00:00:00Z", nil)
	linked("plain", "2026-02-02T00:00:00Z", map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellResourceId": "1111"})
	linked("composite", "2026-02-03T00:00:00Z", map[string]any{"legacyMyWellResourceId": "313603.1111", "legacyMyWellVillageId": "313603.11"})

	validated := b.finished(syncrun.Start{Method: syncrun.Validate})
	require.Equal(t, int64(3), validated.Counts.Created)
	run := b.finished(syncrun.Start{})
	require.Zero(t, run.Counts.Rejected)
	require.Len(t, b.mock.Rows("resource"), 1)
	require.Empty(t, b.mock.Rows("village"))
	require.Len(t, b.mock.Rows("reading"), 3)
	for _, row := range b.mock.Rows("reading") {
		require.Equal(t, "1111 313603", fmt.Sprint(row["resourceId"], " ", row["postcode"]))
	}
}

// A reading names its well by our own id. It is pushed once the well is, also if it was here
// before the well had a pincode, and goes on naming the well by our id.
func TestMyWellReadingsOfOurOwnWells(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, wells)
	reading := func(day int, value any) {
		at := fmt.Sprintf("2026-02-%02dT00:00:00Z", day)
		b.put("reading", "r"+at, map[string]any{"resourceId": "mine", "timeseries": "default", "datetime": at, "value": value})
	}
	reading(1, 1)
	b.put("resource", "mine", map[string]any{"owner": "me", "resourceType": "well"})
	for range 3 {
		b.finished(syncrun.Start{})
		b.wait(time.Hour)
	}
	require.Empty(t, b.mock.Rows("reading"))
	b.put("resource", "mine", map[string]any{"owner": "me", "resourceType": "well", "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "11"}})
	b.finished(syncrun.Start{})
	reading(2, 2)
	b.finished(syncrun.Start{})
	there := func() map[string]string {
		out := map[string]string{}
		for _, row := range b.mock.Rows("reading") {
			out[fmt.Sprint(row["date"])[:10]] = fmt.Sprint(row["postcode"], " ", row["resourceId"], " ", row["value"])
		}
		return out
	}
	require.Equal(t, map[string]string{"2026-02-01": "313603 1110 1", "2026-02-02": "313603 1110 2"}, there())

	reading(1, 5)
	for range 3 {
		b.wait(time.Hour)
		b.finished(syncrun.Start{})
	}
	require.Equal(t, map[string]string{"2026-02-01": "313603 1110 5", "2026-02-02": "313603 1110 2"}, there())
	sent := b.posts.Load()
	b.finished(syncrun.Start{})
	require.Equal(t, sent, b.posts.Load())
	require.Len(t, b.records("reading"), 2)
	for _, data := range b.records("reading") {
		require.Equal(t, "mine", data["resourceId"])
	}
	require.NoError(t, b.ents.Delete(t.Context(), b.org, "reading", "r2026-02-01T00:00:00Z", ""))
	b.finished(syncrun.Start{})
	require.Equal(t, map[string]string{"2026-02-02": "313603 1110 2"}, there())
}

// A new well needs a village, because its id begins with the village's. One without is a
// reject that says so, and it does not stop the others.
func TestMyWellNewWellsNeedAVillage(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, strings.Replace(wells, "{", `{"maxRejected":1,`, 1))
	b.put("resource", "a", map[string]any{"owner": "a", "externalIds": map[string]any{"legacyMyWellPincode": "313603"}})
	b.put("resource", "b", map[string]any{"owner": "b", "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "313603.11"}})
	b.put("group", "c", map[string]any{"name": "c", "externalIds": map[string]any{"legacyMyWellPincode": "313603"}})
	b.put("group", "d", map[string]any{"name": "d", "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "12"}})
	for range 2 {
		run := b.run(syncrun.Start{Method: syncrun.DoPush})
		require.Equal(t, int64(2), run.Counts.Rejected)
	}
	list, _, err := b.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	for _, r := range list {
		require.Contains(t, r.Reason, "externalIds.legacyMyWellVillageId is missing")
	}
	require.Len(t, b.mock.Rows("resource"), 1)
	require.Equal(t, "1110 11", fmt.Sprint(b.mock.Rows("resource")[0]["id"], " ", b.mock.Rows("resource")[0]["villageId"]))
	require.Len(t, b.mock.Rows("village"), 1)
	require.Equal(t, "12", fmt.Sprint(b.mock.Rows("village")[0]["id"]))
}

// LegacyMyWell drops what its models do not have. Such fields stay here, whatever is pushed
// and pulled afterwards.
func TestMyWellKeepsFieldsThatItDoesNotHave(t *testing.T) {
	t.Parallel()
	b := between(t, mock.NewMyWell, wells)
	b.theirs("resource", well(1111))
	b.finished(syncrun.Start{})
	pulled := b.records("resource")["313603.1111"]
	pulled["groups"], pulled["owner"] = []any{"g"}, "new"
	b.put("resource", "313603.1111", pulled)
	b.put("resource", "mine", map[string]any{
		"owner": "me", "groups": []any{"h"}, "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "11"},
	})
	for i := range 3 {
		b.finished(syncrun.Start{})
		b.theirs("resource", mock.Row{"id": 1111, "postcode": 313603, "villageId": 11, "type": "well", "owner": "new", "elevation": i})
	}
	b.finished(syncrun.Start{})
	got := b.records("resource")
	require.Equal(t, []any{"g"}, got["313603.1111"]["groups"])
	require.Equal(t, 2.0, got["313603.1111"]["elevation"])
	require.Equal(t, []any{"h"}, got["mine"]["groups"])
	require.Equal(t, "313603.1110", got["mine"]["id"])
	require.Len(t, b.mock.Rows("resource"), 2)
	sent := b.posts.Load()
	b.finished(syncrun.Start{})
	require.Equal(t, sent, b.posts.Load(), "a field that stays here is not sent again and again")
}

// A mapping can say that a field names a record. Rows that name one which does not exist are
// rejected and counted; they are taken once it does.
func TestReadingsOfUnknownWells(t *testing.T) {
	t.Parallel()
	def := strings.Replace(wells, "{", `{"maxRejected":1,"mapping":{"reading":{"references":{"resourceId":"resource"}}},`, 1)
	b := between(t, mock.NewMyWell, strings.Replace(def, `"url"`, `"selectedDatatypes":["resource","reading"],"url"`, 1))
	b.theirs("resource", well(117))
	b.theirs("reading", wellReading(1, 1.5))
	for i := range 3 {
		row := wellReading(i+2, 2.5)
		row["resourceId"] = 999
		b.theirs("reading", row)
	}
	run := b.run(syncrun.Start{Method: syncrun.DoPull})
	require.Equal(t, syncrun.Partial, run.State, "%q", run.Errors)
	require.Equal(t, int64(3), run.Counts.Rejected)
	require.Len(t, b.records("reading"), 1)
	list, _, err := b.svc.Rejects(t.Context(), "s", "", 10)
	require.NoError(t, err)
	require.Equal(t, `resourceId there is no resource "313603.999"`, list[0].Field+" "+list[0].Reason)
	b.theirs("resource", well(999))
	b.finished(syncrun.Start{Method: syncrun.DoPull})
	require.Len(t, b.records("reading"), 4)
}
