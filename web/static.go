package web

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/static"
	"assay/web/ui"
)

// pageAssets are the addresses of what every page loads. A checkout whose
// third-party parts are not built yet serves its pages without letters of its
// own; the program itself refuses to start then (static.Ready).
func pageAssets() ui.Assets {
	address := map[string]string{}
	for _, f := range static.Files() {
		address[f.Name] = static.Prefix + f.Path
	}
	return ui.Assets{
		Styles: address["assay.css"],
		Script: address["assay.js"],
		Font:   address["geist.woff2"],
		Icon:   address["icon.svg"],
		Sprite: static.Sprite(),
	}
}

// licencesAddress is where the licences of third parties can be read.
func licencesAddress() string {
	for _, f := range static.Files() {
		if f.Name == "licences.txt" {
			return static.Prefix + f.Path
		}
	}
	return ""
}

// staticShow serves a file under the address that carries its hash; there a
// browser may keep it for ever.
func (s *site) staticShow(c *fiber.Ctx) error {
	f, ok := static.Find(strings.TrimPrefix(c.Path(), static.Prefix))
	if !ok {
		return fiber.ErrNotFound
	}
	body, encoding := f.Encoded(c.Get(fiber.HeaderAcceptEncoding))
	if encoding != "" {
		c.Set(fiber.HeaderContentEncoding, encoding)
	}
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	c.Set(fiber.HeaderContentType, f.Type)
	return c.Send(body)
}
