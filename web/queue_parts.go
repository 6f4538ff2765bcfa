package web

import (
	"context"
	"io"

	"github.com/a-h/templ"

	"assay/web/ui"
)

// queueName is a queue in a list: its title, which leads to it, and its task
// class.
type queueName struct{ Title, Class, URL string }

func (q queueName) Render(ctx context.Context, w io.Writer) error { return q.Draw().Render(ctx, w) }

// queueNext is the button that reserves the next item of a queue, or of all
// queues when Slug is empty.
type queueNext struct {
	Slug  string
	Label string
	Small bool
	Main  bool
}

func (n queueNext) Render(ctx context.Context, w io.Writer) error { return n.Draw().Render(ctx, w) }

func (n queueNext) address() string {
	if n.Slug == "" {
		return "/queues/next"
	}
	return "/queues/" + n.Slug + "/next"
}

func (n queueNext) button() ui.Button {
	b := ui.Button{Label: n.Label, Submit: true}
	if n.Small {
		b.Size = ui.Small
	}
	if n.Main {
		b.Style, b.Act = ui.Filled, ui.ActSubmit
	}
	return b
}

func startOf(start bool) []templ.Component {
	if !start {
		return nil
	}
	return []templ.Component{queueNext{Label: "Start labeling", Main: true}}
}

func (p queuePage) actions() []templ.Component {
	var actions []templ.Component
	if p.SelectMany {
		actions = append(actions, ui.Button{Label: "Settings", URL: "/queues/" + pathPart(p.Slug) + "/settings"})
	}
	if p.Rules {
		actions = append(actions, ui.Button{Label: "Rules", URL: "/queues/" + p.Slug + "/rules"})
	}
	actions = append(actions, ui.Button{Label: "Guide", URL: "/guides/" + pathPart(p.TaskClass)})
	if p.Start {
		actions = append(actions, queueNext{Slug: p.Slug, Label: "Start labeling", Main: true})
	}
	return actions
}
