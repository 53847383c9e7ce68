package telemetry

import "strings"

// longest bounds an attribute, in bytes: spans wait in memory for their export, and callers
// choose the text of some attributes.
const longest = 512

// text returns a value as it is exported. OTLP has UTF-8 only: another text would keep all that
// is exported with it from leaving.
func text(value string) string {
	return strings.ToValidUTF8(value[:min(len(value), longest)], "\uFFFD")
}
