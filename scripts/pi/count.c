/* A plug-in of QEMU's that counts the instructions a program executes. QEMU's header is not
   packaged; these are the few declarations of its qemu-plugin.h (API version 1) that are used. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern void qemu_plugin_register_vcpu_tb_trans_cb(
    plugin_id id, void (*translated)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(
    struct qemu_plugin_tb *block, int operation, void *counter, uint64_t by);
extern void qemu_plugin_register_atexit_cb(
    plugin_id id, void (*ended)(plugin_id, void *), void *with);
extern void qemu_plugin_outs(const char *text);

#define SHOWN __attribute__((visibility("default")))
#define ADD 0 /* QEMU_PLUGIN_INLINE_ADD_U64 */

SHOWN int qemu_plugin_version = 1;
static uint64_t executed;

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, &executed, qemu_plugin_tb_n_insns(block));
}

static void ended(plugin_id id, void *with)
{
    char text[64];

    (void)id;
    (void)with;
    (void)snprintf(text, sizeof text, "executed %" PRIu64 "\n", executed);
    qemu_plugin_outs(text);
}

SHOWN int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    (void)argc;
    (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
