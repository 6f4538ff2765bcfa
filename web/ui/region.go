package ui

import "github.com/a-h/templ"

// swap lets a link or a form replace one named region of the page. The server
// answers with the whole page and the region is taken out of it by its id, so
// the same address works typed in, reloaded and without JavaScript.
func swap(url, region string) templ.Attributes {
	if region == "" {
		return templ.Attributes{}
	}
	return templ.Attributes{
		"hx-get":      url,
		"hx-target":   "#" + region,
		"hx-select":   "#" + region,
		"hx-swap":     "outerHTML show:none",
		"hx-push-url": "true",
	}
}
