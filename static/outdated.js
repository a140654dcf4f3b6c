// Runs only in browsers without JavaScript modules, and shows the sentence that says so.
/** @type {HTMLElement} */ (document.getElementById('outdated')).removeAttribute('hidden');
