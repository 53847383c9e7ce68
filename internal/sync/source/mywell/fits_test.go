package mywell_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/sync/source"
)

// An object where LegacyMyWell has a text or a point is refused, in a new row and in a change,
// and the message says what to write. The other rows of the batch are pushed.
func TestObjectsThatLegacyMyWellCannotHold(t *testing.T) {
	t.Parallel()
	ids := map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": "11"}
	for _, test := range []struct {
		datatype, field string
		value           any
		says            string
	}{
		{"resource", "owner", map[string]any{"name": "Bagdi Ram", "createdByUserId": "u1"}, "write the owner's name in owner"},
		{"resource", "email", []any{"a@example.com"}, "email is no text"},
		{"resource", "coords", map[string]any{"latitude": 1.5, "longitude": 2.5}, `write it as {"lat": 24.5, "lng": 74.2}`},
		{"group", "coords", []any{map[string]any{"lat": 1.5, "lng": 2.5}}, "coords must be one point"},
		{"group", "name", map[string]any{"en": "Dharta"}, "name is no text"},
	} {
		t.Run(test.datatype+" "+test.field, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, test.datatype)
			require.NoError(t, p.Server.Put(p.theirs, mock.Row{"id": 1111, "postcode": 313603, "villageId": 11, "owner": "old", "name": "old"}))
			fields := map[string]any{"name": "new", "externalIds": ids}
			bad := map[string]any{"name": "bad", "externalIds": ids, test.field: test.value}
			results, err := p.Open(t).Push(t.Context(), p.Spec(), []source.Change{
				{Op: source.Create, ID: "bad", Attempt: "1", Fields: bad},
				{Op: source.Update, ID: "there", Attempt: "2", Key: []any{"313603.1111"}, Changed: []string{test.field}, Fields: bad},
				{Op: source.Create, ID: "good", Attempt: "3", Fields: fields},
			})
			require.NoError(t, err)
			require.ErrorContains(t, results[0].Err, test.says)
			require.ErrorContains(t, results[1].Err, test.says)
			require.NoError(t, results[2].Err)
			require.Len(t, p.Server.Rows(p.theirs), 2)
		})
	}
}
