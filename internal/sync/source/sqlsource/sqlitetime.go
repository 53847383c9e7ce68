package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// timeStyle is the form of the times in a column. SQLite has no type for times.
type timeStyle int

const (
	styleNone    timeStyle = iota // the column has no value yet
	styleSpace                    // 2006-01-02 15:04:05, as CURRENT_TIMESTAMP
	styleISO                      // 2006-01-02T15:04:05Z
	styleISONone                  // 2006-01-02T15:04:05
	styleSeconds                  // number of seconds since 1970
	styleMillis
	styleMicros
)

func (s timeStyle) isNumber() bool { return s >= styleSeconds && s <= styleMicros }

// units returns how many units of a numeric style make a second.
func (s timeStyle) units() float64 {
	switch s {
	case styleMillis:
		return 1e3
	case styleMicros:
		return 1e6
	}
	return 1
}

func (s timeStyle) fromNumber(n float64) any {
	sec, frac := math.Modf(n / s.units())
	t := time.Unix(int64(sec), int64(math.Round(frac*1e6))*1000).UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return n
	}
	return t
}

// styled returns the value that the column gets for a time.
func (c column) styled(t time.Time) any {
	if c.kind == kindDate {
		return c.date(t)
	}
	switch c.style {
	case styleISO:
		return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	case styleISONone:
		return c.clock(t).Format("2006-01-02T15:04:05.999999")
	case styleSeconds, styleMillis, styleMicros:
		return t.UnixMicro() / int64(1e6/c.style.units())
	}
	return c.clock(t).Format(localLayout)
}

// sample returns the style of one value of a column, in which a push writes times. columns
// is the table's number of columns.
func (e *sqliteEngine) sample(ctx context.Context, from string, c column, columns int) (timeStyle, error) {
	name := e.quote(c.name)
	var v any
	err := e.reading(ctx, maxValue(columns), false, func(on *sql.Conn) error {
		return on.QueryRowContext(ctx, "SELECT +"+name+" FROM "+from+" WHERE "+name+" IS NOT NULL LIMIT 1").Scan(&v)
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return styleNone, err
	}
	return styleOfValue(v), nil
}

// cursor returns the column with the style of its smallest or largest value. Any declared
// type may hold times.
func (e *sqliteEngine) cursor(ctx context.Context, t *table, c column) (column, error) {
	name := e.quote(c.name)
	end := func(order string) string {
		return fmt.Sprintf("(SELECT +%s FROM %s WHERE %s IS NOT NULL ORDER BY %s %s LIMIT 1)", name, t.from, name, name, order)
	}
	var first, last any
	if err := e.reading(ctx, maxValue(len(t.columns)), false, func(on *sql.Conn) error {
		return on.QueryRowContext(ctx, "SELECT "+end("ASC")+", "+end("DESC")).Scan(&first, &last)
	}); err != nil {
		return c, err
	}
	// Numbers sort before text. The smallest number has the smallest unit; in it, no number
	// of another unit is before the cursor.
	if c.style = styleOfValue(first); !c.style.isNumber() {
		c.style = styleOfValue(last)
	}
	if c.style == styleNone && c.kind == kindInteger {
		c.style = styleSeconds
	}
	return c, nil
}

func styleOfValue(v any) timeStyle {
	number := func(n float64) timeStyle {
		switch {
		case math.Abs(n) > 1e14:
			return styleMicros
		case math.Abs(n) > 1e11:
			return styleMillis
		}
		return styleSeconds
	}
	switch v := v.(type) {
	case int64:
		return number(float64(v))
	case float64:
		return number(v)
	case string:
		switch {
		case strings.HasSuffix(v, "Z") || len(v) > 19 && strings.ContainsAny(v[19:], "+-"):
			return styleISO // no time is lost in UTC
		case !strings.Contains(v, "T"):
			return styleSpace
		}
		return styleISONone
	}
	return styleNone
}

// since returns a condition that leaves out older rows, as far as the column sorts by time.
// Text is compared as instants, because the same time can be written in several ways.
func (e *sqliteEngine) since(c column, at, clock time.Time, s *statement) (string, error) {
	name := e.quote(c.name)
	const precise = "2006-01-02 15:04:05.000" // SQLite compares milliseconds
	asInstant := fmt.Sprintf("julianday(%[1]s) >= CASE WHEN substr(%[1]s, 17) GLOB '*[-+zZ]*' THEN julianday(?) ELSE julianday(?) END", name)
	// The comparison with first lets SQLite use an index.
	if c.style.isNumber() { // all numbers sort before all text
		s.args = append(s.args, at.UnixMicro()/int64(1e6/c.style.units()), at.Format(precise), clock.Format(precise))
		return fmt.Sprintf("%[1]s >= ? AND (typeof(%[1]s) <> 'text' OR %s)", name, asInstant), nil
	}
	first := at
	if clock.UTC().Before(at) {
		first = clock.UTC()
	}
	// No zone is behind UTC by more than twelve hours, so no text of a later instant has an
	// earlier date.
	s.args = append(s.args, first.Add(-12*time.Hour).Format(dateLayout), at.Format(precise), clock.Format(precise))
	return name + " >= ? AND " + asInstant, nil
}

func (e *sqliteEngine) missing(c column) string { return e.quote(c.name) + " IS NULL" }

// unordered returns the condition for text that SQLite does not read as a date. It reads a
// time of day as one of the year 2000, and a number as a day.
func (e *sqliteEngine) unordered(c column) string {
	return fmt.Sprintf("%[1]s >= '' AND (julianday(%[1]s) IS NULL OR substr(%[1]s, 5, 1) <> '-')", e.quote(c.name))
}
