// Package docsite makes a web site of the documentation: pages in HTML, an index that scripts
// search, and llms.txt for language models. A site can be served, or written to a folder for any
// web host. Its links are relative, and it loads nothing from other hosts.
package docsite
