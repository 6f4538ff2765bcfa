package web

import (
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/web/ui"
)

// file is one static file with the hash that its address carries.
type file struct {
	body []byte
	hash string
	kind string
}

// kinds of file that are served; anything else in the folder is not ours to
// give out.
var kinds = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".mjs":   "text/javascript; charset=utf-8",
	".woff2": "font/woff2",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".png":   "image/png",
}

// hashFiles reads every file once, at start.
func hashFiles(from fs.FS) map[string]file {
	files := map[string]file{}
	if from == nil {
		return files
	}
	fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || kinds[path.Ext(name)] == "" {
			return nil
		}
		body, err := fs.ReadFile(from, name)
		if err != nil {
			return nil
		}
		sum := sha256.Sum256(body)
		files[name] = file{body, base64.RawURLEncoding.EncodeToString(sum[:9]), kinds[path.Ext(name)]}
		return nil
	})
	return files
}

// asset is the address of a static file: the same for ever for one content.
func (s *site) asset(name string) string {
	f, ok := s.files[name]
	if !ok {
		return "/static/" + name
	}
	return "/static/" + name + "?v=" + f.hash
}

// assets are the addresses of what every page loads.
func (s *site) assets() ui.Assets {
	sprite := ""
	if f, ok := s.files["sprite.svg"]; ok {
		sprite = string(f.body)
	}
	return ui.Assets{
		Styles: s.asset("assay.css"),
		Script: s.asset("assay.js"),
		Font:   s.asset("geist.woff2"),
		Icon:   s.asset("icon.svg"),
		Sprite: sprite,
	}
}

// staticShow serves a file. Asked with its hash it may be kept for a year,
// asked without it must be asked for again.
func (s *site) staticShow(c *fiber.Ctx) error {
	f, ok := s.files[strings.TrimPrefix(param(c, "*"), "/")]
	if !ok {
		return fiber.ErrNotFound
	}
	tag := `"` + f.hash + `"`
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if c.Query("v") == f.hash {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	}
	if c.Get(fiber.HeaderIfNoneMatch) == tag {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, f.kind)
	return c.Send(f.body)
}
