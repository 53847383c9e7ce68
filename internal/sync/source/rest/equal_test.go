package rest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source/rest"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_900_000, time.UTC)
	for _, c := range []struct {
		a, b any
		same bool
	}{
		{nil, nil, true},
		{nil, "", false},
		{json.Number("1.50"), 1.5, true},
		{int64(7), json.Number("7"), true},
		{json.Number("1.5001"), json.Number("1.5002"), false},
		{at, json.Number("1772600767008"), true},
		{"7", json.Number("7"), false},
		{true, true, true},
		{true, "true", false},
		{at, "2026-03-04T05:06:07.008Z", true},
		{at, "2026-03-04T06:06:07.008+01:00", true},
		{at, "2026-03-04T05:06:07.009Z", false},
		{map[string]any{"a": json.Number("1.0")}, map[string]any{"a": 1}, true},
		{[]any{1, 2}, []any{2, 1}, false},
		{int64(1772600767), 1772600767.0001, false}, // numbers, and no times
		{"1772600767", "1772600767.0", false},
	} {
		require.Equal(t, c.same, rest.Equal(c.a, c.b), "%v and %v", c.a, c.b)
	}
}
