package source

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Zoneless is the location of a time whose zone nobody named: its clock is known, and its
// instant is not. A source returns such a time for a column without zones. Whoever knows
// the zone turns it into an instant with InZone; without a zone it is taken as UTC.
var Zoneless = time.FixedZone("zoneless", 0)

// WithoutZone returns a zoneless time with the clock that t has in UTC.
func WithoutZone(t time.Time) time.Time { return t.In(Zoneless) }

// InZone returns the instant at which the zone's clocks show a zoneless time. It returns
// every other time in UTC. When clocks go back, they show a time twice. InZone then returns
// the first instant, so that a cursor made of it lies before both. A time that the clocks
// skip is read by the clock from before the gap.
func InZone(t time.Time, zone *time.Location) time.Time {
	if t.Location() != Zoneless || zone == nil || zone == time.UTC {
		return t.UTC()
	}
	clock := t.UTC()
	before, after := Offset(zone, clock.Add(-24*time.Hour)), Offset(zone, clock.Add(24*time.Hour))
	for _, offset := range []time.Duration{max(before, after), min(before, after)} {
		if at := clock.Add(-offset); Offset(zone, at) == offset {
			return at
		}
	}
	return clock.Add(-before)
}

// Offset returns how far the zone's clocks are ahead of UTC at an instant.
func Offset(zone *time.Location, at time.Time) time.Duration {
	_, seconds := at.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// DateIn returns the date that a column of dates gets for a time: the zone's date, and for
// midnight UTC, which stands for a date without a time of day, that date itself.
func DateIn(t time.Time, zone *time.Location) string {
	if t = t.UTC(); zone != nil && !t.Equal(t.Truncate(24*time.Hour)) {
		t = t.In(zone)
	}
	return t.Format(time.DateOnly)
}

// EarliestClock returns the earliest time, as if in UTC, that the zone's clocks show at the
// instant or later. It differs from the instant's own clock when the clocks are about to go
// back: what is written after that has an earlier time.
func EarliestClock(at time.Time, zone *time.Location) time.Time {
	at = at.UTC()
	return at.Add(min(Offset(zone, at), Offset(zone, at.Add(24*time.Hour))))
}

// Instant reads a time in the forms that sources write, and reports whether the value is
// one: RFC 3339 and its relatives (a space for the T, no seconds, +0000, +00, a zone " UTC"),
// a date, the forms of HTTP, and a number of seconds, milliseconds or microseconds since
// 1970, also as text. The zone is that of times that name none; nil is UTC.
func Instant(v any, zone *time.Location) (time.Time, bool) {
	t, ok := Clock(v)
	return InZone(t, zone), ok
}

// Clock is Instant without the zone: a time that names no zone is returned as Zoneless.
func Clock(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case int64:
		return epoch(float64(v))
	case float64:
		return epoch(v)
	case json.Number:
		n, err := v.Float64()
		if err != nil {
			return time.Time{}, false
		}
		return epoch(n)
	case string:
		return clockOf(strings.TrimSpace(v))
	}
	return time.Time{}, false
}

// epoch reads a number by its size: as seconds, milliseconds would lie before the spring of
// 1973, and seconds as milliseconds after the year 5000.
func epoch(n float64) (time.Time, bool) {
	switch {
	case !(n >= 0 && n <= 1e17): // so that NaN is no time
		return time.Time{}, false
	case n > 1e14:
		return time.UnixMicro(int64(n)).UTC(), true
	case n > 1e11:
		return time.UnixMicro(int64(n * 1e3)).UTC(), true
	}
	return time.UnixMicro(int64(math.Round(n * 1e6))).UTC(), true
}

// zoned and zoneless are the layouts after normal has made one form of several.
var (
	zoned    = []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04Z07"}
	zoneless = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}
	ofHTTP   = []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}
)

func clockOf(s string) (time.Time, bool) {
	if len(s) < len(time.DateOnly) && !isEpoch(s) {
		return time.Time{}, false
	}
	switch {
	case isEpoch(s):
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return time.Time{}, false
		}
		return epoch(n)
	case s[0] < '0' || s[0] > '9':
		return parse(ofHTTP, s)
	}
	s = normal(s)
	if t, ok := parse(zoned, s); ok {
		return t, true
	}
	if t, ok := parse(zoneless, s); ok {
		return WithoutZone(t), true
	}
	return time.Time{}, false
}

func parse(layouts []string, s string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// normal writes a T between date and time, and the zone without a space before it.
func normal(s string) string {
	const at = len(time.DateOnly)
	if len(s) == at {
		return s
	}
	date, rest := s[:at], s[at:]
	if rest[0] == ' ' || rest[0] == 't' {
		rest = "T" + rest[1:]
	}
	for _, utc := range []string{" UTC", " GMT", " Z", "z"} {
		if cut, ok := strings.CutSuffix(rest, utc); ok {
			return date + cut + "Z"
		}
	}
	if i := strings.LastIndexByte(rest, ' '); i > 0 && i+1 < len(rest) && (rest[i+1] == '+' || rest[i+1] == '-') {
		rest = rest[:i] + rest[i+1:]
	}
	return date + rest
}

// isEpoch reports whether the text is a number that is long enough to be seconds since 1970
// and no date such as 20260102.
func isEpoch(s string) bool {
	whole, _, _ := strings.Cut(s, ".")
	if len(whole) < 9 || len(whole) > 16 || len(s) > 30 {
		return false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && i != len(whole) {
			return false
		}
	}
	return true
}
