package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
)

func (m *mySQL) unique(ctx context.Context, t *table, columns []string) (bool, error) {
	r, err := m.db.QueryContext(ctx, "SHOW INDEX FROM "+t.from+" WHERE Non_unique = 0")
	if err != nil {
		return false, err
	}
	defer func() { _ = r.Close() }()
	names, err := r.Columns()
	if err != nil {
		return false, err
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	key, name, part := slices.Index(names, "Key_name"), slices.Index(names, "Column_name"), slices.Index(names, "Sub_part")
	if key < 0 || name < 0 || part < 0 {
		return false, errors.New("SHOW INDEX answers in an unknown form")
	}
	indexes := map[string][]string{}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return false, err
		}
		column := values[name].String
		if values[part].Valid || !values[name].Valid {
			column = "\x00" // the index covers a prefix of a column or an expression
		}
		indexes[values[key].String] = append(indexes[values[key].String], strings.ToLower(column))
	}
	return hasIndex(indexes, columns), r.Err()
}

// hasIndex reports whether an index covers exactly these columns, in any order.
func hasIndex(indexes map[string][]string, columns []string) bool {
	want := slices.Clone(columns)
	for i, c := range want {
		want[i] = strings.ToLower(c)
	}
	slices.Sort(want)
	for _, have := range indexes {
		slices.Sort(have)
		if slices.Equal(have, want) {
			return true
		}
	}
	return false
}
