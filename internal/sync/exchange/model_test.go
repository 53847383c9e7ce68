package exchange

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/source"
)

// Rows that are pushed in are checked against OurWater's models, field by field. Types that
// OurWater does not have take anything.
func TestModels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ datatype, row, want string }{
		{"reading", `{"resourceId":"1.2","timeseries":"default","datetime":"2026-01-01T00:00:00Z","value":1.5}`, ""},
		{"reading", `{"resourceId":"1.2","timeseries":"default","datetime":"2026-01-01T00:00:00Z","value":"high"}`, "value is not a number"},
		{"reading", `{"resourceId":"1.2","timeseries":"default","datetime":"2026-01-01T00:00:00Z","value":null}`, "value is missing"},
		{"reading", `{"resourceId":"1.2","timeseries":"default","datetime":"2026-01-01T00:00:00Z"}`, "value is missing"},
		{"reading", `{"resourceId":"1.2","timeseries":"default","datetime":"yesterday","value":1}`, "datetime is not an instant such as 2026-01-31T08:30:00Z"},
		{"resource", `{"id":"1.2","resourceType":"well","coords":{"lat":1,"lng":2},"lastValue":null}`, ""},
		{"resource", `{"id":"1.2","coords":{"latitude":1,"longitude":2}}`, ""},
		{"resource", `{"id":"1.2","resourceType":"volcano"}`, "resourceType is none of well, raingauge, checkdam, quality"},
		{"resource", `{"id":"1.2","coords":{"lat":"x","lng":2}}`, "coords has no two numbers lat and lng"},
		{"group", `{"id":"1","name":"n","type":"pincode","coords":[{"lat":1,"lng":2},{"lat":1,"lng":3}]}`, ""},
		{"group", `{"id":"1","type":"planet"}`, "type is none of village, pincode, country"},
		{"group", `{"id":"1","coords":[{"lat":1}]}`, "coords has no two numbers lat and lng"},
		{"item", `{"id":"1","value":"high","type":"planet"}`, ""},
	} {
		m, faults := mapping.New(c.datatype, nil, source.Spec{})
		require.Empty(t, faults)
		var row map[string]any
		require.NoError(t, json.Unmarshal([]byte(c.row), &row))
		item, reject := m.Map(source.RowOf(row))
		require.Nil(t, reject, c.row)
		field, reason := breaks(m, c.datatype, &item)
		if c.want == "" {
			require.Empty(t, field+reason, c.row)
			continue
		}
		require.Equal(t, c.want, field+" "+reason, c.row)
	}
}

// A mapping of its own decides which fields there are.
func TestAMappingOfItsOwnNeedsNoValue(t *testing.T) {
	t.Parallel()
	m, faults := mapping.New("reading", &mapping.Type{Key: []string{"id"}, Fields: map[string]mapping.Field{"note": {From: "note"}}}, source.Spec{})
	require.Empty(t, faults)
	item, reject := m.Map(source.RowOf(map[string]any{"id": "a", "note": "n"}))
	require.Nil(t, reject)
	field, _ := breaks(m, "reading", &item)
	require.Empty(t, field)
}
