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
	styleMixed // several forms, whose order is not that of the times
)

func (s timeStyle) isText() bool   { return s >= styleNone && s <= styleISONone }
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

func (s timeStyle) format(k columnKind, t time.Time) any {
	if k == kindDate {
		return t.Format(dateLayout)
	}
	switch s {
	case styleISO:
		return t.Format("2006-01-02T15:04:05.999999Z07:00")
	case styleISONone:
		return t.Format("2006-01-02T15:04:05.999999")
	case styleSeconds, styleMillis, styleMicros:
		return t.UnixMicro() / int64(1e6/s.units())
	}
	return t.Format(localLayout)
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

// cursor returns the column with the style of its smallest and largest values. Numbers sort
// before text, so a column with both shows here. Any declared type may hold times.
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
	a, b := styleOfValue(first), styleOfValue(last)
	switch {
	case a == b:
		c.style = a
	case a.isNumber() && b.isNumber():
		c.style = max(a, b)
	case a.isText() && b.isText():
		c.style = b
	default:
		c.style = styleMixed
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
		case len(v) > 19 && strings.ContainsAny(v[19:], "+-"):
			return styleMixed // times with different zones do not sort by time
		case !strings.Contains(v, "T"):
			return styleSpace
		case strings.HasSuffix(v, "Z"):
			return styleISO
		}
		return styleISONone
	}
	return styleNone
}

// since returns a condition that leaves out older rows, as far as the column sorts by time.
func (e *sqliteEngine) since(c column, at time.Time, s *statement) (string, error) {
	name := e.quote(c.name)
	at = at.UTC()
	switch {
	case c.style.isNumber():
		s.args = append(s.args, at.UnixMicro()/int64(1e6/c.style.units()))
		return name + " >= ?", nil
	case c.style.isText():
		// The comparison of the date lets SQLite use an index. The second one treats T
		// and a space alike. It ignores seconds, so some older rows are read again,
		// which the overlap allows.
		s.args = append(s.args, at.Format(dateLayout), at.Format("2006-01-02 15:04"))
		return fmt.Sprintf("%s >= ? AND substr(replace(%s, 'T', ' ') || ' 00:00', 1, 16) >= ?", name, name), nil
	}
	return "", nil
}
