package trace

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

func TestHeadersNameASpan(t *testing.T) {
	t.Parallel()
	type want struct {
		trace, span string
		sampled     bool
	}
	for name, c := range map[string]struct {
		header, value string
		want          *want
	}{
		"W3C":                  {"traceparent", "00-" + traceID + "-" + spanID + "-01", &want{traceID, spanID, true}},
		"W3C, not sampled":     {"traceparent", "00-" + traceID + "-" + spanID + "-00", &want{traceID, spanID, false}},
		"W3C, other flags":     {"traceparent", "00-" + traceID + "-" + spanID + "-03", &want{traceID, spanID, true}},
		"W3C, too long":        {"traceparent", "00-" + traceID + "-" + spanID + "-01-more", nil},
		"a later W3C":          {"traceparent", "01-" + traceID + "-" + spanID + "-01-more", &want{traceID, spanID, true}},
		"a later W3C, run on":  {"traceparent", "01-" + traceID + "-" + spanID + "-01more", nil},
		"zero trace":           {"traceparent", "00-00000000000000000000000000000000-" + spanID + "-01", nil},
		"zero span":            {"traceparent", "00-" + traceID + "-0000000000000000-01", nil},
		"forbidden version":    {"traceparent", "ff-" + traceID + "-" + spanID + "-01", nil},
		"no version":           {"traceparent", "x0-" + traceID + "-" + spanID + "-01", nil},
		"upper case":           {"traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + spanID + "-01", nil},
		"no flags":             {"traceparent", "00-" + traceID + "-" + spanID + "-0x", nil},
		"short":                {"traceparent", "00-" + traceID, nil},
		"Google":               {"X-Cloud-Trace-Context", traceID + "/255;o=1", &want{traceID, "00000000000000ff", true}},
		"Google, trace only":   {"X-Cloud-Trace-Context", traceID, &want{traceID, "", false}},
		"Google, no span":      {"X-Cloud-Trace-Context", traceID + ";o=1", &want{traceID, "", true}},
		"Google, not an id":    {"X-Cloud-Trace-Context", "x/1;o=1", nil},
		"Google, run on":       {"X-Cloud-Trace-Context", traceID + "ff/1;o=1", nil},
		"Google, odd span":     {"X-Cloud-Trace-Context", traceID + "/x;o=0", &want{traceID, "", false}},
		"some other's headers": {"X-B3-Traceid", traceID, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			h.Set(c.header, c.value)
			got := FromHeader(h)
			if c.want == nil {
				require.Zero(t, got)
				require.Equal(t, t.Context(), With(t.Context(), got))
				return
			}
			require.Equal(t, *c.want, want{got.TraceID(), got.SpanID(), got.Sampled})
			require.Equal(t, got, Of(With(t.Context(), got)))
			require.Equal(t, c.want.span != "", got.Valid())
			if got.Valid() {
				require.Equal(t, got, Parse(got.String()))
			} else {
				require.Empty(t, got.String())
			}
		})
	}
	h := http.Header{"Traceparent": {"broken"}, "X-Cloud-Trace-Context": {traceID + "/255;o=1"}}
	require.True(t, FromHeader(h).Valid(), "a proxy's header counts if the other is broken")
}
