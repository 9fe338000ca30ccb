// Package statuspage makes the status page: what is wrong and what to do about it, what
// changes in the next 30 days, who reaches what, and who does. [New] decides what the page
// says, and [Page.Serve] writes it. The package asks nobody: everything comes from [Facts].
package statuspage
