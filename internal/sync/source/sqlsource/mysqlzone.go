package sqlsource

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// sessionZone is the zone of all sessions of one engine: the offset that the server's own
// zone has when the first session begins.
//
// A trigger or ON UPDATE stamps rows by the session's clock, and other programs' sessions
// have the server's zone. In another zone, our stamps would lie before or after theirs, and
// a cursor would pass over their rows. The server writes and reads a TIMESTAMP in the
// session's zone, too. A fixed offset shows each instant once; the zone itself shows those
// of an hour twice when its clocks go back.
type sessionZone struct {
	mu    sync.Mutex
	known *time.Location
}

// zone returns UTC until there is a session.
func (z *sessionZone) zone() *time.Location {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.known == nil {
		return time.UTC
	}
	return z.known
}

// begin gives a new session the zone.
func (z *sessionZone) begin(ctx context.Context, conn driver.Conn) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.known == nil {
		seconds, err := number(ctx, conn, "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())")
		if err != nil {
			return err
		}
		z.known = time.FixedZone("session", seconds)
	}
	e, ok := conn.(driver.ExecerContext)
	if !ok {
		return errors.New("sqlsource: the driver cannot run statements")
	}
	_, err := e.ExecContext(ctx, "SET SESSION time_zone = '"+time.Unix(0, 0).In(z.known).Format("-07:00")+"'", nil)
	if me, ok := errors.AsType[*mysql.MySQLError](err); ok && me.Number == 1298 {
		return nil // an offset that the server does not take; then the session has the server's zone, which has it
	}
	return err
}

// number returns the only value of a query.
func number(ctx context.Context, conn driver.Conn, query string) (int, error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return 0, errors.New("sqlsource: the driver cannot run queries")
	}
	rows, err := q.QueryContext(ctx, query, nil)
	if err != nil {
		return 0, err
	}
	values := make([]driver.Value, 1)
	err = errors.Join(rows.Next(values), rows.Close())
	if err != nil {
		return 0, err
	}
	if text, ok := values[0].([]byte); ok {
		return strconv.Atoi(string(text))
	}
	return strconv.Atoi(fmt.Sprint(values[0]))
}

// offsets implements engine. The session's zone is a fixed offset, so the server is asked
// about its own zone.
func (m *mySQL) offsets(ctx context.Context, at []time.Time) ([]time.Duration, error) {
	var query strings.Builder
	for i, t := range at {
		if i > 0 {
			query.WriteString(" UNION ALL ")
		}
		clock := "TIMESTAMP'" + t.UTC().Format(time.DateTime) + "'"
		fmt.Fprintf(&query, "SELECT %d AS n, TIMESTAMPDIFF(SECOND, %s, CONVERT_TZ(%s, '+00:00', @@GLOBAL.time_zone)) AS offset_seconds", i, clock, clock)
	}
	rows, err := m.db.QueryContext(ctx, query.String()+" ORDER BY n")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []time.Duration
	for rows.Next() {
		var n, seconds int64
		if err := rows.Scan(&n, &seconds); err != nil {
			return nil, err
		}
		out = append(out, time.Duration(seconds)*time.Second)
	}
	return out, rows.Err()
}
