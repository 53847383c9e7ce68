package deploytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
)

// etag is that of every dashboard.
const etag = "40d10400"

// document reads the JSON file of a flag.
func document(c Call, flag string) (doc struct{ Name, DisplayName, Etag, Filter string }, err error) {
	data, err := os.ReadFile(c.Flags[flag])
	if err == nil {
		err = json.Unmarshal(data, &doc)
	}
	return doc, err
}

// channels is the flag under which the channels of an alert are kept.
const channels = "channels"

var displayName = regexp.MustCompile(`^displayName="(.*)"$`)

// monitoring carries out what is about metrics, dashboards and alerts, which are files.
func (g *Gcloud) monitoring(c Call, out io.Writer) error {
	switch things, verb := path.Dir(strings.ReplaceAll(c.Command, " ", "/")), path.Base(strings.ReplaceAll(c.Command, " ", "/")); {
	case verb == "list":
		m := displayName.FindStringSubmatch(c.Flags["--filter"])
		if m == nil {
			return errors.New("the stand-in knows filters by displayName only")
		}
		if alert := g.Things["alert/"+m[1]]; alert != nil {
			if strings.Contains(c.Flags["--format"], "notificationChannels") {
				_, err := fmt.Fprintln(out, alert[channels])
				return err
			}
			_, err := fmt.Fprintln(out, "projects/p/alertPolicies/"+m[1])
			return err
		}
		return nil
	case strings.HasSuffix(things, "policies"):
		doc, err := document(c, "--policy-from-file")
		if err != nil {
			return err
		}
		if verb == "update" && c.Arguments[0] != "projects/p/alertPolicies/"+doc.DisplayName {
			return fmt.Errorf("%s is updated with the policy %q", c.Arguments[0], doc.DisplayName)
		}
		told := c.Flags["--notification-channels"] + c.Flags["--set-notification-channels"]
		c.Flags = map[string]string{channels: told} // an update replaces the policy
		return g.change(c, "alert/"+doc.DisplayName, verb, out)
	case strings.HasSuffix(things, "dashboards"):
		return g.dashboard(c, verb, out)
	default:
		if verb != "describe" {
			doc, err := document(c, "--config-from-file")
			if err != nil {
				return err
			}
			if doc.Name != c.Arguments[0] || doc.Filter == "" {
				return fmt.Errorf("the file of metric %s is about %q", c.Arguments[0], doc.Name)
			}
			c.Flags = map[string]string{"filter": doc.Filter}
		}
		return g.change(c, "metric/"+c.Arguments[0], verb, out)
	}
}

func (g *Gcloud) dashboard(c Call, verb string, out io.Writer) error {
	if verb == "describe" {
		if err := g.change(c, "dashboard/"+c.Arguments[0], verb, out); err != nil {
			return err
		}
		_, err := fmt.Fprintln(out, etag)
		return err
	}
	doc, err := document(c, "--config-from-file")
	if err != nil {
		return err
	}
	if verb == "update" && doc.Etag != etag {
		return fmt.Errorf("the dashboard has another etag than %q", doc.Etag)
	}
	c.Flags = nil
	return g.change(c, "dashboard/"+path.Base(doc.Name), verb, out)
}
