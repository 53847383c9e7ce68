package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPlot states that the picture is XML, has a panel for each dimension and a curve for each
// row that has one, and keeps a figure beyond the scale inside the panel.
func TestPlot(t *testing.T) {
	t.Parallel()
	curve := func(name string, last float64) row {
		return row{curve: name, points: []point{{100, 2}, {10_000, 2.2}, {1_000_000, last}}}
	}
	got := plot([]row{{measure: "no curve"}, curve("p50/events", 2), curve("cost/events", 100), curve("p50/keys", 1)})
	for d := xml.NewDecoder(strings.NewReader(got)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, 2, strings.Count(got, "<g "))
	require.Equal(t, 3, strings.Count(got, `<path class="curve`))
	require.Contains(t, got, ">1,000,000</text>")
	require.Contains(t, got, "L178.0 0.0", "50 times is drawn at the upper edge")
	require.NotContains(t, got, "NaN")
	require.Empty(t, plot([]row{{measure: "no curve"}}))
}
