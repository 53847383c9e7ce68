package deploytest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/deploy"
)

// whole are the plans whose golden files are whole. The others are mostly the same text as
// the first of these, so theirs hold the differences from it: who changes what all have in
// common reads the change once.
var whole = []string{"order-payment-stock", "everything"}

// Golden checks that a renderer writes each plan as the files of testdata/golden say. suffix
// is the end of their names. update writes the files first: the package of the test has the flag
// -update, because tests of other packages import this one beside a flag of their own.
func Golden(t *testing.T, update bool, suffix string, write func(*deploy.Plan) []byte) {
	plans := Plans(t)
	base := string(write(plans[whole[0]]))
	for name, p := range plans {
		file, want := filepath.Join("testdata", "golden", name+suffix), string(write(p))
		if !slices.Contains(whole, name) {
			file += ".diff"
			var err error
			want, err = difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
				A: lines(base), FromFile: whole[0], B: lines(want), ToFile: name, Context: 2,
			})
			require.NoError(t, err, name)
		}
		if update {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		}
		require.Equal(t, string(Read(t, file)), want, name)
	}
}

// lines returns the lines of a text, each with its end.
func lines(text string) []string { return slices.Collect(strings.Lines(text)) }
