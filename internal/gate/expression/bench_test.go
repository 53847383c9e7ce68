package expression_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate/expression"
)

// BenchmarkEvent measures what a filter, a key and a distinct value add to an event of 1 KB.
func BenchmarkEvent(b *testing.B) {
	var lines strings.Builder
	for i := range 12 {
		fmt.Fprintf(&lines, `{"sku":"article-%02d","quantity":%d,"price":%d.50,"gift":false},`, i, i, i)
	}
	body := []byte(`{"orderId":1234567,"customer":{"name":"A name","email":"name@example.org"},"lines":[` + strings.TrimSuffix(lines.String(), ",") + `],"businessDate":"2026-11-27","size":12}`)
	require.InDelta(b, 1024, len(body), 200)
	compile := func(text string, k expression.Kind) *expression.Expression {
		e, err := expression.Compile(text, k)
		require.NoError(b, err)
		return e
	}
	filter := compile(`event.body.size > 0`, expression.Bool)
	key := compile(`event.body.businessDate`, expression.Text)
	distinct := compile(`event.body.orderId`, expression.Text)
	meta := event.Meta{Method: "POST", Headers: map[string][]string{"Content-Type": {"application/json"}, "User-Agent": {"curl"}, "Accept": {"*/*"}}}
	b.Run("three", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e := &expression.Event{EventKey: "orders", Meta: meta, Content: body}
			ok, err := filter.Bool(e)
			k, err2 := key.Text(e)
			d, err3 := distinct.Text(e)
			if !ok || k == "" || d == "" || err != nil || err2 != nil || err3 != nil {
				b.Fatal(ok, k, d, err, err2, err3)
			}
		}
	})
	b.Run("header", func(b *testing.B) {
		header := compile(`event.headers["content-type"]`, expression.Text)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := header.Text(&expression.Event{Meta: meta}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("valid", func(b *testing.B) { // what the standard library takes to read the body only
		b.ReportAllocs()
		for b.Loop() {
			json.Valid(body)
		}
	})
}
