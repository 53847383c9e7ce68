// Package docpart replaces the generated parts of documents. Such a part stands between the
// comments <!-- mark --> and <!-- /mark -->.
package docpart

import (
	"fmt"
	"strings"
)

// Replace returns the document with the text as the part that has the mark. The text ends with a
// line feed. Without the two comments it fails.
func Replace(document, mark, text string) (string, error) {
	begin, end := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	before, rest, begins := strings.Cut(document, begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		return "", fmt.Errorf("the document has no part between the comments <!-- %s --> and %s", mark, end)
	}
	return before + begin + text + end + after, nil
}
