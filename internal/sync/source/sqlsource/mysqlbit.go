package sqlsource

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// bitWidths returns the number of bits of the BIT columns of a table, which the driver does
// not tell. A BIT(1) is true or false, a wider one a number, whatever its value. For a query
// the widths are unknown, and it returns none.
func bitWidths(ctx context.Context, tx *sql.Tx, from string, types []*sql.ColumnType) map[string]int {
	if !slices.ContainsFunc(types, func(t *sql.ColumnType) bool { return t.DatabaseTypeName() == "BIT" }) {
		return nil
	}
	rows, err := tx.QueryContext(ctx, "SHOW COLUMNS FROM "+from)
	if err != nil {
		return nil
	}
	defer func() { _ = rows.Close() }()
	widths := map[string]int{}
	for rows.Next() {
		var name, typ string
		var rest [4]any
		if rows.Scan(&name, &typ, &rest[0], &rest[1], &rest[2], &rest[3]) != nil {
			return nil
		}
		var width int
		if _, err := fmt.Sscanf(typ, "bit(%d)", &width); err == nil {
			widths[strings.ToLower(name)] = width
		}
	}
	if rows.Err() != nil {
		return nil
	}
	return widths
}

// fromBits returns the number that the bits are.
func fromBits(b []byte) any {
	var n uint64
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	if n > 1<<63-1 {
		return json.Number(strconv.FormatUint(n, 10))
	}
	return int64(n)
}
