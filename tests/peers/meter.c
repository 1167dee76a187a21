/* A meter made with libmodbus: registers 0 to 199, each three times its address and the unit id.
 *
 * meter tcp PORT     unit ids 1 and 7; port 0 finds a free one
 * meter rtu DEVICE   unit id 1; 9600 baud, no parity
 *
 * Prints its port or its device once it listens, and serves until it is killed.
 * cc -o meter meter.c -lmodbus
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REGISTERS = 200 };

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    return 1;
}

static void answer(modbus_t *bus, modbus_mapping_t *map, const uint8_t *request, int length)
{
    int unit = request[modbus_get_header_length(bus) - 1];
    if (unit != 1 && unit != 7)
        return;
    for (int n = 0; n < REGISTERS; n++)
        map->tab_registers[n] = map->tab_input_registers[n] = (uint16_t)(3 * n + unit);
    modbus_set_slave(bus, unit);
    modbus_reply(bus, request, length, map);
}

static int serve_rtu(modbus_t *bus, modbus_mapping_t *map)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    modbus_set_slave(bus, 1); /* libmodbus passes over requests to others: length 0 */
    for (;;) {
        int length = modbus_receive(bus, request);
        if (length > 0)
            answer(bus, map, request, length);
        else if (length == -1 && errno != EMBBADCRC && errno != ETIMEDOUT)
            return fail("receive");
    }
}

static int serve_tcp(modbus_t *bus, modbus_mapping_t *map, int listener)
{
    uint8_t request[MODBUS_MAX_ADU_LENGTH];
    while (modbus_tcp_accept(bus, &listener) != -1) {
        int length;
        while ((length = modbus_receive(bus, request)) >= 0)
            answer(bus, map, request, length);
        close(modbus_get_socket(bus));
    }
    return fail("accept");
}

static int listen_tcp(modbus_t *bus)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    int listener = modbus_tcp_listen(bus, 1);
    if (listener != -1 && getsockname(listener, (struct sockaddr *)&name, &size) == 0)
        printf("%d\n", ntohs(name.sin_port));
    return listener;
}

int main(int count, char **words)
{
    if (count != 3)
        return fputs("meter tcp PORT | meter rtu DEVICE\n", stderr), 2;
    int tcp = strcmp(words[1], "tcp") == 0;
    modbus_t *bus = tcp ? modbus_new_tcp("127.0.0.1", atoi(words[2])) : modbus_new_rtu(words[2], 9600, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    if (bus == NULL || map == NULL)
        return fail("new");
    int listener = tcp ? listen_tcp(bus) : modbus_connect(bus);
    if (listener == -1)
        return fail("listen");
    if (!tcp)
        puts(words[2]);
    fflush(stdout);
    return tcp ? serve_tcp(bus, map, listener) : serve_rtu(bus, map);
}
