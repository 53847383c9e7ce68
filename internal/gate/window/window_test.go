package window_test

import (
	"crypto/md5"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/window"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ref(n int, after time.Duration) event.Ref {
	return event.Ref{ID: fmt.Sprintf("%032x", n), ReceivedAt: t0.Add(after), Size: 1}
}

func TestBuildChooses(t *testing.T) {
	t.Parallel()
	a, b, c := ref(3, 0), ref(2, time.Second), ref(1, 2*time.Second)
	for _, tt := range []struct {
		send string
		in   []event.Ref
		want []event.Ref
	}{
		{window.All, []event.Ref{c, a, b}, []event.Ref{a, b, c}},
		{"", []event.Ref{c, a}, []event.Ref{a, c}},
		{window.First, []event.Ref{c, a, b}, []event.Ref{a}},
		{window.Last, []event.Ref{c, a, b}, []event.Ref{c}},
		{window.Boundaries, []event.Ref{c, a, b}, []event.Ref{a, c}},
		{window.Boundaries, []event.Ref{b}, []event.Ref{b}},
		{window.First, nil, nil},
	} {
		rel, ok := window.Build([]window.Rule{{Key: "k", Need: 1, Send: tt.send}}, [][]event.Ref{tt.in})
		require.Equal(t, len(tt.in) > 0, ok)
		require.Equal(t, tt.want, rel.Lists[0].Included, "%s of %d", tt.send, len(tt.in))
		require.Len(t, rel.Lists[0].Members, len(tt.in), "all of the window is consumed")
	}
}

func TestEventIDIsTheMD5OfIncludedIDsInConfigurationOrder(t *testing.T) {
	t.Parallel()
	rules := []window.Rule{{Key: "z", Need: 1}, {Key: "a", Need: 1, Send: window.Last}}
	rel, _ := window.Build(rules, [][]event.Ref{{ref(9, 0)}, {ref(1, 0), ref(2, time.Second)}})
	want := fmt.Sprintf("%x", md5.Sum([]byte(ref(9, 0).ID+ref(2, 0).ID)))
	require.Equal(t, want, rel.EventID)
}

func TestEqualTimesAreOrderedByID(t *testing.T) {
	t.Parallel()
	rel, _ := window.Build([]window.Rule{{Key: "k"}}, [][]event.Ref{{ref(2, 0), ref(1, 0)}})
	require.Equal(t, []event.Ref{ref(1, 0), ref(2, 0)}, rel.Lists[0].Included)
}

func TestMissing(t *testing.T) {
	t.Parallel()
	rules := []window.Rule{{Key: "a", Need: 2}, {Key: "b", Need: 1}}
	require.Equal(t, []window.Shortfall{{"a", 1, 2}}, window.Missing(rules, []int{1, 1}))
	require.Empty(t, window.Missing(rules, []int{2, 5}))
}

func TestMet(t *testing.T) {
	t.Parallel()
	two := window.Rule{Key: "a", Need: 2}
	require.False(t, two.Met(0))
	require.False(t, two.Met(1))
	require.True(t, two.Met(2))
	require.True(t, two.Met(3))
}

// FuzzBuild compares the decision with a slow, obvious model.
func FuzzBuild(f *testing.F) {
	f.Add([]byte{0x12, 0x01, 0x80, 0x33}, uint8(0), uint8(1))
	f.Add([]byte{}, uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, raw []byte, send uint8, need uint8) {
		sends := []string{window.All, window.First, window.Last, window.Boundaries}
		rules := []window.Rule{
			{Key: "a", Need: 1 + int(need%4), Send: sends[send%4]},
			{Key: "b", Need: 1, Send: sends[(send/4)%4]},
		}
		waiting := make([][]event.Ref, 2)
		for i, b := range raw {
			waiting[b%2] = append(waiting[b%2], ref(i, time.Duration(b/2)*time.Second))
		}
		before := [][]event.Ref{slices.Clone(waiting[0]), slices.Clone(waiting[1])}
		rel, ok := window.Build(rules, waiting)

		require.Equal(t, before, waiting, "the facts are not changed")
		require.Equal(t, len(raw) > 0, ok)
		var ids strings.Builder
		for i, l := range rel.Lists {
			model := slices.Clone(waiting[i])
			sort.Slice(model, func(x, y int) bool {
				kx := fmt.Sprintf("%020d%s", model[x].ReceivedAt.UnixMicro(), model[x].ID)
				ky := fmt.Sprintf("%020d%s", model[y].ReceivedAt.UnixMicro(), model[y].ID)
				return kx < ky
			})
			require.Equal(t, model, l.Members)
			var want []event.Ref
			for j, m := range model {
				included := true
				switch rules[i].Send {
				case window.First:
					included = j == 0
				case window.Last:
					included = j == len(model)-1
				case window.Boundaries:
					included = j == 0 || j == len(model)-1
				}
				if included {
					want = append(want, m)
					ids.WriteString(m.ID)
				}
			}
			require.Equal(t, want, l.Included)
			require.Equal(t, len(model), len(l.Members))
		}
		require.Equal(t, fmt.Sprintf("%x", md5.Sum([]byte(ids.String()))), rel.EventID)
		short := window.Missing(rules, []int{len(waiting[0]), len(waiting[1])})
		complete := len(waiting[0]) >= rules[0].Need && len(waiting[1]) >= 1
		require.Equal(t, complete, len(short) == 0)
	})
}

func BenchmarkBuild(b *testing.B) {
	rules := []window.Rule{{Key: "a", Need: 1}, {Key: "b", Need: 1}}
	waiting := make([][]event.Ref, 2)
	for i := range 1000 {
		waiting[i%2] = append(waiting[i%2], ref(i, time.Duration(i)*time.Millisecond))
	}
	b.ReportAllocs()
	for b.Loop() {
		window.Build(rules, waiting)
	}
}
