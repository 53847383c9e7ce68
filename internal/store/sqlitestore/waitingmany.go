package sqlitestore

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/internal/store"
)

// manyLooks has the numbers of looks that one query can take, ascending. The looks that a
// query has no need of have the endpoint NULL, and find nothing. The driver's time to bind
// grows with the square of the number of parameters, and much faster if these are numbered.
var manyLooks = [...]int{2, 8, 32}

const lookParameters = 5

// sqlManyLooks returns the query that answers n looks. Its first column is the look's number.
func sqlManyLooks(n int) string {
	arms := make([]string, n)
	for i := range arms {
		arms[i] = `SELECT * FROM (SELECT ` + strconv.Itoa(i) + `, ` + waitingRow + ` FROM waiting WHERE endpoint = ? AND key = ? AND at >= ? AND at < ?
			ORDER BY at, id LIMIT +?)`
	}
	return strings.Join(arms, "\nUNION ALL\n")
}

var _ store.ManyWindows = (*Store)(nil)

// WaitingOfMany implements [store.ManyWindows].
func (s *Store) WaitingOfMany(ctx context.Context, looks []store.Look) ([][]store.Waiting, error) {
	all := make([][]store.Waiting, len(looks))
	for start := 0; start < len(looks); {
		n := 0
		for n < len(manyLooks)-1 && manyLooks[n] < len(looks)-start {
			n++
		}
		end := min(start+manyLooks[n], len(looks))
		if err := s.waitingOfSome(ctx, s.q.waitingOfMany[n], manyLooks[n], looks[start:end], all[start:end]); err != nil {
			return nil, s.reading("waiting of several keys", err)
		}
		start = end
	}
	return all, nil
}

// waitingOfSome answers the looks by one query, which takes up to most of them.
func (s *Store) waitingOfSome(ctx context.Context, q *sql.Stmt, most int, looks []store.Look, answers [][]store.Waiting) error {
	args, rows := make([]any, most*lookParameters), 0
	for i, l := range looks {
		num, ok, err := s.endpointNum(ctx, l.Endpoint)
		if err != nil {
			return err
		}
		if !ok {
			continue // its endpoint stays NULL
		}
		from, to := int64(math.MinInt64), int64(math.MaxInt64)
		if !l.In.From.IsZero() {
			from = l.In.From.UnixMicro()
		}
		if !l.In.To.IsZero() {
			to = l.In.To.UnixMicro()
		}
		copy(args[i*lookParameters:], []any{num, []byte(l.Key), from, to, unlimited(l.Limit)})
		rows += l.Limit
	}
	for i := range most {
		if limit := &args[i*lookParameters+4]; *limit == nil {
			*limit = 0 // NULL would be an error
		}
	}
	found, err := q.QueryContext(brief(ctx, min(rows, fewRows)), args...)
	if err != nil {
		return err
	}
	defer found.Close()
	var key, id, slot sql.RawBytes
	for found.Next() {
		var look int
		var w store.Waiting
		var at, receivedAt, first int64
		if err := found.Scan(&look, &key, &at, &id, &receivedAt, &w.Size, &first, &slot); err != nil {
			return err
		}
		readWaiting(&w, key, id, slot, at, receivedAt, first)
		answers[look] = append(answers[look], w)
	}
	for _, ws := range answers {
		slices.SortFunc(ws, store.Waiting.Compare) // a compound query promises no order
	}
	return found.Err()
}
