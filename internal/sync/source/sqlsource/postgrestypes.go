package sqlsource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// otherType names a type that pgx does not know: an enum, a composite or another type that
// the database's owner made, or an array of one.
const otherType = "of another type"

// incomparable lists types without an equality operator. Their values are compared as text,
// and so are those of other types, which may hold one of these.
var incomparable = []string{otherType, "xml", "point", "polygon", "box", "path", "lseg", "circle", "line", "jsonpath"}

// lookUpTypes fills in what only the database's catalogue knows about the types of columns:
// which types are arrays, of what, and how SQL names a type.
func lookUpTypes(ctx context.Context, tx pgx.Tx, columns []column) error {
	var oids []uint32
	for _, c := range columns {
		if c.kind == kindArray || c.kind == kindOther {
			oids = append(oids, c.oid)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT oid, format_type(oid, -1), typcategory = 'A', typdelim::text, typelem FROM pg_type WHERE oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return err
	}
	var oid, element uint32
	var name, delimiter string
	var array bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &array, &delimiter, &element}, func() error {
		for i := range columns {
			c := &columns[i]
			if c.oid != oid || c.kind != kindArray && c.kind != kindOther {
				continue
			}
			if c.cast = name; array && element != 0 {
				c.kind, c.delimiter, c.elementOID = kindArray, delimiter[0], element
			}
		}
		return nil
	})
	return err
}

// same returns a condition that holds if the values are equal. Types without an equality
// operator are compared as text that the database wrote, or as jsonb.
func (p *postgres) same(c column, placeholder string) string {
	name := p.quote(c.name)
	switch {
	case c.typ == "json":
		return fmt.Sprintf("%s IS NOT DISTINCT FROM %s", withoutNUL(name), withoutNUL(placeholder))
	case c.typ == "_json":
		return fmt.Sprintf("%s::jsonb[] IS NOT DISTINCT FROM %s::text::jsonb[]", name, placeholder)
	case c.cast != "" && slices.Contains(incomparable, strings.TrimPrefix(c.typ, "_")):
		return fmt.Sprintf("%s::text IS NOT DISTINCT FROM %s::text::%s::text", name, placeholder, c.cast)
	}
	return fmt.Sprintf("%s IS NOT DISTINCT FROM %s", name, placeholder)
}

// withoutNUL returns an expression of JSON as jsonb, which cannot hold \u0000. A character
// that no text has takes its place. The first part of the pattern tells the escape from a
// backslash that is escaped itself.
func withoutNUL(json string) string {
	return `regexp_replace(` + json + `::text, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\udbff\\udfff', 'g')::jsonb`
}

// array reads an array of any type from its text.
func (r *postgresRows) array(c column, raw []byte) (any, error) {
	if c.elementOID == 0 {
		return string(raw), nil
	}
	var elements pgtype.Array[pgtype.Text]
	text := &pgtype.ArrayCodec{ElementType: &pgtype.Type{Name: "text", OID: pgtype.TextOID, Codec: pgtype.TextCodec{}}, Delimiter: c.delimiter}
	if err := text.PlanScan(r.types, pgtype.TextArrayOID, pgtype.TextFormatCode, &elements).Scan(raw, &elements); err != nil {
		return string(raw), nil
	}
	element := column{name: c.name, kind: kindOther, oid: c.elementOID}
	if k, ok := postgresKind(c.elementOID); ok {
		element.kind = k
	}
	flat := make([]any, len(elements.Elements))
	for i, e := range elements.Elements {
		if e.Valid {
			flat[i] = fromPostgresText(element, e.String)
		}
	}
	for d := len(elements.Dims) - 1; d > 0; d-- { // group the elements by the last dimension first
		n := int(elements.Dims[d].Length)
		var nested []any
		for len(flat) >= n && n > 0 {
			nested, flat = append(nested, any(flat[:n:n])), flat[n:]
		}
		flat = nested
	}
	return flat, nil
}

// isJSON reports whether the elements of an array are JSON. A JSON array among them is one
// element, and no further dimension.
func (c column) isJSON() bool {
	return c.elementOID == pgtype.JSONOID || c.elementOID == pgtype.JSONBOID
}
