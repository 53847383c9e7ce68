package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/decode"
)

var (
	projectID = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	topicName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9\-_.~+%]+$`) // its length is checked apart: {2,254} takes long to compile at each start
	publicURL = regexp.MustCompile(`^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\s]+(/[^?#\s]*)?$`)
	hostPort  = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$|^[0-9A-Fa-f:.]+$`)
	hexSHA256 = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	envName   = regexp.MustCompile(`^env:[^=\s\x00]+$`)
)

// formats are those that the fields' tags name.
var formats = decode.Formats{
	"nonempty":   {NotEmpty: true},
	"id":         {Pattern: plainIDForm, Must: "must be the id of a sync"},
	"name":       {Pattern: plainIDForm, Must: "must be letters, digits, . _ ~ -"},
	"host":       {Pattern: hostPort, Must: "must be a host or host:port"},
	"network":    {NotEmpty: true, Check: checkNetwork},
	"email":      {Pattern: regexp.MustCompile(`^[^@\s]+@[^@\s]+$`), Must: "must be an e-mail address"},
	"origin":     {Pattern: regexp.MustCompile(`^(\*|[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)$`), Must: `must be "*" or scheme://host[:port]`},
	"socketPath": {Pattern: regexp.MustCompile(`^/[^{}?#\s]+$`), Must: "must begin with / and have no braces, spaces, ? or #"}, // braces are wildcards to the router
	"kept":       {Pattern: regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+|[?].+)$"), Must: `must be the name of an HTTP header, or of a query parameter after "?"`},
	"httpURL":    {Pattern: regexp.MustCompile(`^[Hh][Tt][Tt][Pp][Ss]?://`), Check: checkURL},
	"publicURL":  {Pattern: publicURL, Check: checkPublicURL},
	"sha256":     {Pattern: hexSHA256, Check: checkHash},
	"reference":  {Pattern: regexp.MustCompile(`^(env:[^=\s]+|sm://projects/[a-z0-9][a-z0-9.:-]*/secrets/[A-Za-z0-9_-]+(/versions/[A-Za-z0-9_-]+)?)$`), Check: checkReference},
	"topic": {
		Pattern: regexp.MustCompile(`^projects/([a-z0-9.-]+:)?[a-z0-9]([a-z0-9-]*[a-z0-9])?/topics/[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$`),
		Not:     regexp.MustCompile(`/topics/goog`), Check: checkTopic,
	},
	"queue": {
		Pattern: regexp.MustCompile(`^projects/([a-z0-9.-]+:)?[a-z0-9]([a-z0-9-]*[a-z0-9])?/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]{1,100}$`),
		Must:    "must be projects/<project>/locations/<location>/queues/<name>",
	},
	"eventType": {Pattern: regexp.MustCompile(`^[^,\s]+$`), Must: "must be a type without commas and spaces, such as google.cloud.storage.object.v1.finalized"},
	"filter":    {Pattern: regexp.MustCompile(`^[a-z][a-zA-Z0-9]*=[^,\s]+$`), Must: "must be name=value, such as bucket=my-bucket"},
	"location":  {Pattern: regexp.MustCompile(`^[a-z][a-z0-9-]*$`), Must: "must be a location, such as europe-west3 or eu"},
	"iapAudience": {
		Pattern: regexp.MustCompile(`^/projects/[0-9]+/(locations/[a-z0-9-]+/services/[a-z][a-z0-9-]*|(global|[a-z]+-[a-z0-9-]+)/backendServices/[0-9]+)$`),
		Must:    "must be /projects/<number>/locations/<region>/services/<name> or /projects/<number>/<global or region>/backendServices/<number>",
	},
	"interval": {Must: "must be hour, day, week, month, or a number of seconds"},
	"eventKey": {Not: regexp.MustCompile(`^/|//|(^|/)\.{1,2}(/|$)`), Check: checkEventKey},
}

func checkNetwork(s string) string {
	if _, _, err := net.ParseCIDR(s); err != nil && !hostPort.MatchString(s) {
		return fmt.Sprintf("must be a host, host:port, an IP address or a CIDR, not %q", decode.Short(s))
	}
	return ""
}

// checkURL shows no credentials that the URL may have.
func checkURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Sprintf("must be an http or https URL, not %q", decode.Short(credential.RedactURL(s)))
	}
	return ""
}

func checkPublicURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || !publicURL.MatchString(s) {
		return fmt.Sprintf("must be an absolute http or https URL without user, query and fragment, not %q", decode.Short(credential.RedactURL(s)))
	}
	return ""
}

// checkHash does not show the text: it may be the token itself.
func checkHash(s string) string {
	switch {
	case s == credential.Redacted:
		return fmt.Sprintf("%q stands for a hash that is not shown: put the hash itself", credential.Redacted)
	case !hexSHA256.MatchString(s):
		return "must be the 64 hex digits of the token's SHA-256"
	}
	return ""
}

func checkReference(s string) string {
	if !credential.IsReference(s) {
		return "must be env:NAME or sm://projects/P/secrets/S, and never the secret itself"
	}
	return wrongReference(s)
}

// wrongReference returns the fault of a text that is meant as a reference to a credential,
// or "". It has no opinion about other texts, and does not show them.
func wrongReference(s string) string {
	switch {
	case strings.HasPrefix(s, "env:") && !envName.MatchString(s):
		return fmt.Sprintf("%q names no variable of the environment: env:NAME", decode.Short(s))
	case credential.IsManaged(s):
		if _, ok := credential.Managed(s); !ok {
			return fmt.Sprintf("%q is not the name of a secret: sm://projects/P/secrets/S/versions/V", decode.Short(s))
		}
	}
	return ""
}

// checkTopic applies Pub/Sub's rules for resource names. Projects may be shorter than
// Google's, because an emulator's are.
func checkTopic(s string) string {
	part := strings.Split(s, "/")
	switch {
	case strings.ContainsAny(s, "<>"):
		return fmt.Sprintf("%q has a placeholder: put the real name in its place", decode.Short(s))
	case len(part) != 4 || part[0] != "projects" || part[2] != "topics":
		return fmt.Sprintf("must be projects/<project>/topics/<name>, not %q", decode.Short(s))
	case !projectID.MatchString(part[1]):
		return fmt.Sprintf("%q is not a project id", decode.Short(part[1]))
	case len(part[3]) < 3 || len(part[3]) > 255 || !topicName.MatchString(part[3]):
		return fmt.Sprintf("%q is not a topic's name: 3 to 255 letters, digits and -_.~+%%, the first a letter", decode.Short(part[3]))
	case strings.HasPrefix(part[3], "goog"):
		return fmt.Sprintf(`%q is not a topic's name: those that start with "goog" are reserved`, decode.Short(part[3]))
	}
	return ""
}

// checkEventKey takes a slash at the end, as EventSync does: "a/" is another key than "a".
func checkEventKey(s string) string {
	for segment := range strings.SplitSeq(strings.TrimSuffix(s, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Sprintf(`%q cannot be a URL's path: a segment is empty, "." or ".."`, decode.Short(s))
		}
	}
	return ""
}
