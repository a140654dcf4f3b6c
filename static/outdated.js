// Runs only in browsers without JavaScript modules: all that this page can do there is to say so.
document.getElementById('outdated').removeAttribute('hidden');
