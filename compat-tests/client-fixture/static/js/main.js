document.title = 'compat';
