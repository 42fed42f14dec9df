// A worker for pages that are opened from a file, where browsers start none: an iframe that listens and answers alike.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      this.ready = new Promise((done) => {
        this.frame.addEventListener("load", done, { once: true })
        inside.document.open()
        inside.document.write(`<body><script>
          postMessage = (data) => parent.postMessage(data, "*")
          importScripts = (...urls) => urls.reduce((before, src) => before.then(() => new Promise((done) => {
            document.body.append(Object.assign(document.createElement("script"), { src, onload: done }))
          })), Promise.resolve())
        </` + `script><script src="${url}"></` + `script>`)
        inside.document.close()
      })
      window.addEventListener("message", ({ source, data }) => {
        if (source === inside) {
          const event = new MessageEvent("message", { data })
          this.dispatchEvent(event)
          this.onmessage?.(event)
        }
      })
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.frame.remove()
    }
  }
}
