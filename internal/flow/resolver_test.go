package flow

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/live"
)

// Of a name that no record can have, there is none: it is not asked for again and again.
func TestNamesThatNoRecordCanHave(t *testing.T) {
	t.Parallel()
	r := recordResolver{entity.New(entity.Options{Docs: drivertest.SQLite(t), Now: time.Now})}
	for _, k := range []live.Key{live.KeyOf("items", ""), live.KeyOf(strings.Repeat("x", 300), "1"), live.KeyOf(strings.Repeat("x", 300)+"/items", "1")} {
		require.NoError(t, k.Validate())
		s, err := r.Resolve(t.Context(), k, "")
		require.NoError(t, err)
		require.True(t, s.Gone)
	}
}
