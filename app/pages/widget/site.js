// What the page says: by the script's own attributes, and by calls of afterword(…).
// A module knows no script of its own.
const script = document.currentScript || document.querySelector('script[src*="/widget.js"]');

export const site = { ...script?.dataset, base: script?.src.replace(/\/widget\.js.*/, "") };

// Who answers, as the page says; a visitor who wants no tracking stays nameless.
const nameless = navigator.globalPrivacyControl || navigator.doNotTrack == 1;

export const visitor = {
  customer: undefined,
  properties: undefined,
  forget() {
    this.customer = this.properties = undefined;
  },
  about() {
    return { customer: nameless ? undefined : this.customer, properties: this.properties };
  },
};
